"""What stands at `module:name` or `path/file.py:name` in the user's own code. Loading it runs it, once in a process."""

import importlib
import importlib.util
import sys
import traceback
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from ..core.errors import UsageError

T = TypeVar("T")


def import_string(place: str, *kinds: type[T], name: str = "", folder: Path | None = None) -> T:
    """The value there, of one of these kinds. Raises UsageError: what is wrong, in which line, what there is.

    `name` is that of a place that says none. What isn't installed is looked for from the folder, by default the working
    directory.
    """
    target, _, said = place.rpartition(":")
    if not target or said.endswith(".py"):  # the colon may be a drive's
        target, said = place, name
    if not said.isidentifier():
        raise UsageError(f"{place!r} must be like module:name or path/file.py:name")
    folder = folder or Path.cwd()
    module = (
        _file(folder / Path(target).expanduser())
        if target.endswith(".py")
        else _module(target, folder)
    )
    value = getattr(module, said, None)
    if hasattr(module, said) and isinstance(value, kinds):
        return value
    wanted = " or ".join(kind.__name__ for kind in kinds)
    what = (
        f"is of the type {type(value).__name__}, not {wanted}"
        if hasattr(module, said)
        else "isn't there"
    )
    fit = [
        key
        for key, each in vars(module).items()
        if isinstance(each, kinds) and not key.startswith("_")
    ]
    raise UsageError(
        f"{place}: {said} {what}; there are: {', '.join(fit) or f'none of the type {wanted}'}"
    )


def _file(path: Path) -> ModuleType:
    path = path.resolve()
    name = f"treadle_{path.stem}_{blake2b(str(path).encode(), digest_size=4).hexdigest()}"  # nothing else's
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"there is no file {path}")
    _on_path(path.parent)  # what lies beside it can be imported, as when python runs it
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(f"{path} can't be loaded: {_why(error, path)}") from error
    return module


def _module(name: str, folder: Path) -> ModuleType:
    _on_path(folder.resolve())
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if (
            isinstance(error, ModuleNotFoundError)
            and error.name
            and f"{name}.".startswith(f"{error.name}.")
        ):
            raise UsageError(
                f"{error}; looked in {folder.resolve()} and in what is installed"
            ) from error
        raise UsageError(f"the module {name} can't be loaded: {_why(error, None)}") from error


def _why(error: BaseException, path: Path | None) -> str:
    """The error and the line of the user's that raised it, in place of a traceback."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error}"  # which says where
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if path and frame.filename == str(path)] or frames
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, SystemExit):
        said = "it ends the program; let it do so only under `if __name__ == '__main__':`"
    return f"{said} ({own[-1].filename}, line {own[-1].lineno})"


def _on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
