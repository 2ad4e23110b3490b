"""`pipulate model get|list|remove` and `pipulate soul export|import`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipulate.chat import soul, weights
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store


def model(argv: Sequence[str], settings: Settings) -> int:
    """Get, list or remove weights of the embedded model."""
    parser = argparse.ArgumentParser(
        prog="pipulate model",
        description="Weights of the embedded model, checked by their SHA-256.",
    )
    parser.add_argument("act", choices=["get", "list", "remove"])
    parser.add_argument("name", nargs="?", default="qwen-0.5b", help=", ".join(weights.RECIPES))
    parser.add_argument("--file", type=Path, help="a file that you have, instead of fetching it")
    args = parser.parse_args(argv)
    folder = settings.data / "models"
    if args.act == "list":
        for recipe in weights.RECIPES.values():
            here = "here" if weights.find(recipe, folder) else f"{recipe.size / 1e6:,.0f} MB to get"
            print(f"{recipe.name:<12} {recipe.title} · {recipe.licence} · {here}")
        return 0
    recipe = weights.named(args.name)
    if args.act == "remove":
        weights.remove(recipe, folder)
        print(f"{recipe.title} is removed.")
        return 0

    def progress(share: float, source: str) -> None:
        print(
            f"\r{recipe.title}  {'█' * int(share * 24):24} {share:4.0%}  from {source}",
            end="",
            file=sys.stderr,
            flush=True,
        )

    path = weights.get(recipe, folder, progress, args.file)
    print(f"\n{path}")
    return 0


def soul_file(argv: Sequence[str], settings: Settings) -> int:
    """Export or import the model's portable memory."""
    parser = argparse.ArgumentParser(
        prog="pipulate soul",
        description="Facts, memories, conversations and prompts in one readable file.",
    )
    parser.add_argument("act", choices=["export", "import"])
    parser.add_argument("file", type=Path)
    args = parser.parse_args(argv)
    store = Store(settings.database)
    try:
        counts = (
            soul.export(store, args.file)
            if args.act == "export"
            else soul.import_(store, args.file)
        )
        print(", ".join(f"{number} {what}" for what, number in counts.items()))
    finally:
        store.close()
    return 0
