"""`make test-model`: the real small model through the whole product; prints what it said.

PIPULATE_MODEL names the weights (else data/models is looked at).  Nothing is fetched here.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pipulate import create_app
from pipulate.chat import proposals
from pipulate.chat.talk import Talk
from pipulate.chat.weights import RECIPES
from pipulate.engine import discovery
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.workflow import Run, voice

pytestmark = pytest.mark.model
WEIGHTS = Path(os.environ.get("PIPULATE_MODEL", f"data/models/{RECIPES['qwen-0.5b'].file}"))


@asynccontextmanager
async def app_on(folder: Path) -> AsyncIterator[Any]:
    """The app on a data folder that has the weights, from start to shutdown."""
    (folder / "models").mkdir(parents=True, exist_ok=True)
    for path in WEIGHTS.parent.iterdir():
        link = folder / "models" / path.name
        if path.suffix in (".gguf", ".onnx") and not link.exists():
            link.symlink_to(path.resolve())
    app = create_app(
        Settings(data=folder, downloads=folder / "downloads", workflows=(PACKAGE / "workflows",))
    )
    async with app.router.lifespan_context(app):
        yield app


async def said(talk: Any, text: str) -> list[dict[str, Any]]:
    """Say something and return what came of it."""
    before = len(talk.messages())
    await talk.send(text)
    await talk.settled()
    new = talk.messages()[before + 1 :]
    print(f"\n> {text}")
    for row in new:
        print(f"  {row['role']} {row['about']}: {row['content'][:300]}")
    return new


async def test_the_embedded_model_lives_in_the_app(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """It chats, explains a step, writes the poem, adds a task after a Yes, and remembers
    across a restart.
    """
    assert WEIGHTS.is_file(), (
        f"no weights at {WEIGHTS}: `pipulate model get`, or set PIPULATE_MODEL"
    )
    with capsys.disabled():
        async with app_on(tmp_path) as app:
            talk, store = app.state.part(Talk), app.state.store
            assert [model.place for model in await talk.models.found()] == ["this computer"]
            hello = await said(talk, "Hello! What can I do with this app? One sentence.")
            assert hello and hello[-1]["role"] == "assistant" and len(hello[-1]["content"]) > 10

            (bridge,) = discovery.load(PACKAGE / "workflows" / "bridge.py")
            engine = Pipulate(store, "bridge")
            engine.initialize_if_missing("arthur")
            record = engine.set_step_data("arthur", "step_01", {"name": "Arthur"})
            talk.explain(Run(bridge, engine, "arthur", record, 2, app.state.settings))
            await talk.settled()
            explained = talk.messages()[-1]
            print(f"\nexplains: {explained['content']}")
            assert explained["about"].startswith("step ") and explained["content"]

            token = voice.set(talk)
            poem = "".join(
                [
                    piece
                    async for piece in talk.ask(
                        "Write a serene haiku of exactly 3 short lines about a frog. Only the poem."
                    )
                ]
            )
            voice.reset(token)
            print(f"\npoem:\n{poem}")
            assert len(poem.split()) >= 5

            asked = await said(talk, "add a task to call the client")
            number = int(asked[-1]["about"].removeprefix("proposal "))
            assert store.read("SELECT * FROM task") == []
            proposals.confirm(talk.desk(), number)
            assert "client" in store.read("SELECT name FROM task")[0]["name"].lower()

            asked = await said(talk, "remember that my favourite city is Graz")
            proposals.confirm(talk.desk(), int(asked[-1]["about"].removeprefix("proposal ")))
        async with app_on(tmp_path) as app:
            again = await said(app.state.part(Talk), "Which city do I like best?")
            assert any("Graz" in row["content"] for row in again)
