"""`treadle trust`."""

from dataclasses import dataclass

from ..core.errors import UsageError
from ..core.visible import visible_line
from .parameters import make_argument, make_flag
from .terminal import Screen
from .trust import find_here, find_root, keep


@dataclass(frozen=True, kw_only=True)
class TrustOptions:
    folder: str | None = make_argument("FOLDER", "In the project; else where you are.", None)
    forget: bool = make_flag("Take it back.")


def trust(settings: TrustOptions) -> int:
    """Let a project's AGENTS.md and skills tell Treadle's own agent what to do, from now on.

    With --forget that is taken back. Nothing of it is kept in the project's folder.
    """
    here = (find_here() / (settings.folder or "")).resolve()
    if not here.is_dir():  # the repository around a mistyped one isn't meant
        raise UsageError(f"{settings.folder!r} is no folder")
    root = find_root(here)
    keep(root, None if settings.forget else True)
    done = "forgotten" if settings.forget else "trusted"
    Screen().note(f"{done}: {visible_line(str(root), 500)}")
    return 0
