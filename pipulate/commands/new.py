"""`pipulate new`: copy a template to workflows/NAME.py, under that name."""

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pipulate.commands import parser
from pipulate.engine import files
from pipulate.engine.discovery import Folders
from pipulate.engine.errors import Invalid, Unknown
from pipulate.engine.settings import PACKAGE, Settings

NAME = "[a-z][a-z0-9_]{0,40}"  # it becomes a file, an address and a Python name


def main(argv: Sequence[str], settings: Settings) -> None:
    """Raises Invalid, Unknown."""
    reader = parser(__doc__)
    reader.add_argument("name", help="small letters, digits and _; it becomes file and address")
    templates = "bridge (default), petite, poet, work or byhand"
    reader.add_argument("--from", dest="template", default="bridge", help=templates)
    args = reader.parse_args(argv)
    target = new_file(args.name, settings)
    original = template(args.template)
    files.write(
        target,
        renamed(original.read_text(encoding="utf-8"), args.template, args.name),
    )
    print(
        f"{target}: a copy of {args.template}. "
        f"Change its steps; `pipulate --dev` shows it at /{args.name} as you save."
    )


def new_file(name: str, settings: Settings) -> Path:
    """Return its path; raises Invalid if the name is taken."""
    if not re.fullmatch(NAME, name):
        raise Invalid(
            f"{name!r} cannot be a workflow's name: "
            "small letters, digits and _ only, a letter first."
        )
    path = settings.workflows[-1] / f"{name}.py"
    if why := _taken(name, path, settings):
        raise Invalid(f"{why} Choose another name.")
    return path


def _taken(name: str, path: Path, settings: Settings) -> str:
    if path.exists():
        return f"{path} exists already; nothing was overwritten."
    folders = Folders(settings.workflows)
    folders.refresh()
    if name in folders.homes:
        return (
            f"{folders.homes[name]} has the workflow {name!r} already, "
            "and a second one would take its runs."
        )
    if name in _addresses():
        return f"/{name} is the address of a page of Pipulate."
    return ""


def _addresses() -> frozenset[str]:
    # Only an app knows what its parts' addresses begin with.
    from pipulate.app import create_app
    from pipulate.watch import first_segments

    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        app = create_app(Settings(Path(folder), workflows=()))
        app.state.store.close()
        return first_segments(app.router.routes)


def template(name: str) -> Path:
    """Return the file of one of our workflows; raises Unknown."""
    templates = {path.stem: path for path in sorted(PACKAGE.glob("workflows/*.py"))}
    if name not in templates:
        raise Unknown(f"There is no template {name!r}. There are: {', '.join(templates)}.")
    return templates[name]


def renamed(code: str, old: str, name: str) -> str:
    """Return a template's code with another name and title."""
    title = name.replace("_", " ").capitalize()
    named = rf'Workflow\(\s*"{old}",\s*title="[^"]*"'
    code = re.sub(named, f'Workflow("{name}", title="{title}"', code)
    code = re.sub(r'APP_NAME = "\w+"', f'APP_NAME = "{name}"', code)
    return re.sub(r'TITLE = "[^"]+"', f'TITLE = "{title}"', code)
