"""Which models answer now: the user's server, Ollama, or the embedded one.

`store` keeps what the user set: model_url, model_name, model_key, and
`model`, the one chosen in the panel.  What was found is believed for FRESH
seconds; `getting` is what is being fetched, and the share that is here.
"""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from pipulate.chat import weights
from pipulate.chat.embedded import Embedded
from pipulate.chat.providers import Model, detect
from pipulate.engine.errors import PipulateError
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store

Tell = Callable[[], Coroutine[Any, Any, None]]

FRESH = 15.0  #: seconds
SMALL = "qwen-0.5b"
EMBEDDED = ("qwen-1.5b", SMALL)  #: recipes, the better one first


class Models:
    """The models that one app may ask."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.folder = settings.data / "models"
        self.getting: tuple[str, float] | None = None
        self._embedded: Embedded | None = None
        self._found: list[Model] = []
        self._looked = -math.inf

    async def found(self, fresh: bool = False) -> list[Model]:
        """The models that answer now, the preferred one first."""
        if fresh or time.monotonic() - self._looked > FRESH:
            self._found = await detect(
                url=self.store.get("model_url") or self.settings.model_url,
                name=self.store.get("model_name") or self.settings.model_name,
                key=self.store.get("model_key", ""),
                embedded=self._small_one(),
            )
            self._looked = time.monotonic()
        return self.known

    @property
    def known(self) -> list[Model]:
        """Those that were there at the last look, the preferred one first."""
        chosen = self.store.get("model", "")
        return sorted(self._found, key=lambda model: model.name != chosen)

    @property
    def none(self) -> bool:
        """Whether none was there at the last look."""
        return self._looked > 0 and not self._found

    def _small_one(self) -> Embedded | None:
        here = (weights.find(weights.RECIPES[name], self.folder) for name in EMBEDDED)
        path = next(filter(None, here), None)
        if path and (self._embedded is None or self._embedded.weights != path):
            self._embedded = Embedded(path)
        return self._embedded

    async def get(self, recipe: weights.Recipe, told: Tell) -> None:
        """Fetch weights, and the embedder's; `told` hears of each step."""
        loop = asyncio.get_running_loop()

        def progress(share: float, source: str) -> None:
            self.getting = (f"{recipe.title}, from {source}", share)
            asyncio.run_coroutine_threadsafe(told(), loop)

        self.getting = (recipe.title, 0.0)
        minilm = weights.RECIPES["minilm"]
        try:
            await asyncio.to_thread(weights.get, recipe, self.folder, progress)
            with suppress(PipulateError):  # without it, keywords find memories
                await asyncio.to_thread(weights.get, minilm, self.folder, progress)
        finally:
            self.getting = None
            await self.found(fresh=True)

    async def stop(self) -> None:
        """End the embedded model's process."""
        if self._embedded:
            await self._embedded.stop()
