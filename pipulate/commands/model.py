"""`pipulate model`: weights of the embedded model, checked by their SHA-256.

pipulate model list               what there is, and what of it is here
pipulate model get [NAME]         fetch one; a try that was cut off goes on where it stopped
pipulate model remove [NAME]
"""

from collections.abc import Sequence
from pathlib import Path

from pipulate.chat import weights
from pipulate.chat.models import SMALL
from pipulate.commands import parser, progress
from pipulate.engine.settings import Settings


def main(argv: Sequence[str], settings: Settings) -> None:
    """Raises Unknown and ModelError."""
    reader = parser(__doc__)
    reader.add_argument("act", choices=["get", "list", "remove"])
    reader.add_argument("name", nargs="?", default=SMALL, help=", ".join(weights.RECIPES))
    file = "a file that you have, instead of fetching it"
    reader.add_argument("--file", type=Path, help=file)
    args = reader.parse_args(argv)
    folder = settings.data / "models"
    if args.act == "list":
        _list(folder)
        return
    recipe = weights.named(args.name)
    if args.act == "remove":
        weights.remove(recipe, folder)
        print(f"{recipe.title} is removed.")
    else:
        _get(recipe, folder, args.file)


def _list(folder: Path) -> None:
    for recipe in weights.RECIPES.values():
        here = "here" if weights.find(recipe, folder) else f"{recipe.size / 1e6:,.0f} MB to get"
        print(f"{recipe.name:<12} {recipe.title} · {recipe.licence} · {here}")


def _get(recipe: weights.Recipe, folder: Path, file: Path | None) -> None:
    with progress(recipe.title) as tell:
        path = weights.get(
            recipe,
            folder,
            lambda share, source: tell(share, f"from {source}"),
            file,
        )
    print(path)
