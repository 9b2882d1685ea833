"""What stands at `module:name` or `path/file.py:name` in the user's own code. Loading it runs it."""

import importlib
import importlib.util
import sys
import traceback
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import UsageError


def found(place: str, folder: Path, default: str = "") -> Any:
    """The value there; a path is looked for from the folder. Raises UsageError."""
    target, _, name = place.rpartition(":")
    if not target and default:
        target, name = place, default
    if not target or not name.isidentifier():
        raise UsageError(f"{place!r} must be like module:name or path/file.py:name")
    module = _file(folder / target) if target.endswith(".py") else _module(target, folder)
    if not hasattr(module, name):
        public = [key for key in vars(module) if not key.startswith("_")]
        raise UsageError(f"{place}: {name} isn't there; there are: {', '.join(public) or 'no names'}")
    return getattr(module, name)


def _file(path: Path) -> ModuleType:
    path = path.expanduser().resolve()
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
    except Exception as error:
        del sys.modules[name]
        frames = traceback.extract_tb(error.__traceback__)
        line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), "?")
        raise UsageError(f"{path} can't be loaded: {type(error).__name__}: {error} (line {line})") from error
    return module


def _module(name: str, folder: Path) -> ModuleType:
    _on_path(folder.resolve())
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise UsageError(f"module {name} can't be loaded: {type(error).__name__}: {error}") from error


def _on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
