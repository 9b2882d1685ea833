"""`treadle init`: writes a starter project, an agent with tests that need no model."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click

from ..core.errors import UsageError
from ..core.visible import visible_command, visible_line
from .parameters import make_argument

FILES = {
    "assistant.py": "assistant.py.txt",
    "test_assistant.py": "test_assistant.py.txt",
    "requirements.txt": "requirements.txt",
    "README.md": "README.md",
    ".gitignore": "",
    ".github/workflows/test.yml": "test.yml",
}
"""Where each file goes, and its name in the package; "" for the one that stands here."""
_GITIGNORE = "__pycache__/\n.pytest_cache/\n.venv/\n*.db\n*.db-*\n"


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    folder: str = make_argument("[FOLDER]", "Where to; default: the current one.", ".")


def init(settings: InitOptions) -> int:
    """Write a starter project: an agent, its tests, a file that runs them in CI."""
    folder = Path(settings.folder)
    _refuse_taken(folder)
    for place in FILES:  # all folders first: where one can't be made, nothing is written
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
    for place, name in FILES.items():
        text = _GITIGNORE
        if name:
            text = files("treadle.cli.starter").joinpath(name).read_text(encoding="utf-8")
        with (folder / place).open("x", encoding="utf-8") as file:
            file.write(text)
    for place in FILES:
        click.echo(f"wrote {visible_line(str(folder / place), 200)}")
    enter = visible_command(["cd", str(folder)])
    click.echo(f"next: {enter}, then `pip install -r requirements.txt && python -m pytest`")
    return 0


def _refuse_taken(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder; name one, or a new one")
    taken = [place for place in FILES if (folder / place).exists()]
    if taken:
        raise UsageError(
            f"{', '.join(taken)} is in {folder} already, and nothing was written; name an empty"
            " folder: treadle init FOLDER"
        )
