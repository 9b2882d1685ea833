"""Imports a value from the user's own code, by `module:name` or `path/file.py:name`.

Importing runs the code, once in a process.
"""

import importlib
import importlib.util
import os
import sys
import traceback
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from ..core.errors import UsageError
from ..this_user import expand_home

T = TypeVar("T")


def import_string(place: str, *kinds: type[T], name: str = "", folder: Path | None = None) -> T:
    """The value at that place, of one of these types.

    `name` stands in for a place without one. Modules that aren't installed are looked for in the
    folder (None: the working directory). Raises UsageError: what is wrong, where, what there is.
    """
    target, _, attribute = place.rpartition(":")
    if not target or attribute.endswith(".py"):  # the colon may be a drive's
        target, attribute = place, name
    if not attribute.isidentifier():
        raise UsageError(f"{place!r} must be like module:name or path/file.py:name")
    folder = folder or Path.cwd()
    if target.endswith(".py"):
        module = _import_file(folder / expand_home(target))
    else:
        module = _import_module(target, folder)
    value = getattr(module, attribute, None)
    if hasattr(module, attribute) and isinstance(value, kinds):
        return value
    wanted = " or ".join(kind.__name__ for kind in kinds)
    problem = "isn't there"
    if hasattr(module, attribute):
        problem = f"is of the type {type(value).__name__}, not {wanted}"
    known = ", ".join(_public_values(module, kinds)) or f"none of the type {wanted}"
    raise UsageError(f"{place}: {attribute} {problem}; there are: {known}")


def _public_values(module: ModuleType, kinds: tuple[type, ...]) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, kinds) and not name.startswith("_")
    ]


def _import_file(path: Path) -> ModuleType:
    path = path.resolve()
    path_hash = blake2b(os.fsencode(path), digest_size=4).hexdigest()
    name = f"treadle_{path.stem}_{path_hash}"  # no other module can have it
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"there is no file {path}")
    _add_to_path(path.parent)  # its neighbours can be imported, as when python runs it
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(f"{path} can't be loaded: {_describe(error, path)}") from error
    return module


def _import_module(name: str, folder: Path) -> ModuleType:
    _add_to_path(folder.resolve())
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{name}.".startswith(f"{missing}."):
            raise UsageError(
                f"{error}; looked in {folder.resolve()} and in what is installed"
            ) from error
        raise UsageError(f"the module {name} can't be loaded: {_describe(error, None)}") from error


def _describe(error: BaseException, path: Path | None) -> str:
    """The error, and the line of the user's code that raised it, in place of a traceback."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return text  # it names its line
    if isinstance(error, SystemExit):
        text = "it ends the program; let it do so only under `if __name__ == '__main__':`"
    frames = list(traceback.extract_tb(error.__traceback__))
    own_frames = [frame for frame in frames if path and frame.filename == str(path)]
    last = (own_frames or frames)[-1]
    return f"{text} ({last.filename}, line {last.lineno})"


def _add_to_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
