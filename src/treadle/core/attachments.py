"""Makes pictures, files and sounds of a path, of bytes or of a URL, and checks what they are.

What something is shows in its content, not in its name. Of all in `core` only `_read_file` opens a
file: when a program makes such a value, never when a log is read.
"""

import base64
import binascii
import codecs
import re
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from .decode_lines import decode_lines
from .errors import UsageError
from .visible import shorten

Kind = Literal["Image", "File", "Audio"]

MAX_BYTES: dict[Kind, int] = {"Image": 20_000_000, "File": 32_000_000, "Audio": 25_000_000}
"""What the providers that take most take; a picture of more than 5 MB is too large for some."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (4, b"ftyphei", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypM4A", "audio/mp4"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"PK\x03\x04", "application/zip"),
)
"""Where a content of this type has which bytes."""
_TAKEN: dict[Kind, tuple[str, ...]] = {
    "Image": ("image/png", "image/jpeg", "image/gif", "image/webp"),
    "Audio": ("audio/wav", "audio/mpeg"),
}
_TAKEN_IN_WORDS: dict[Kind, str] = {
    "Image": "a PNG, JPEG, GIF or WebP picture",
    "Audio": "WAV or MP3",
    "File": "a PDF, a text, or a document of Word, Excel, PowerPoint or OpenDocument",
}
_TEXTS = {"csv": "text/csv", "html": "text/html", "json": "application/json", "md": "text/markdown"}
_NO_TEXT = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_OFFICE_ROOT = "application/vnd.openxmlformats-officedocument."
_OFFICE = {
    "docx": f"{_OFFICE_ROOT}wordprocessingml.document",
    "xlsx": f"{_OFFICE_ROOT}spreadsheetml.sheet",
    "pptx": f"{_OFFICE_ROOT}presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
}


def is_text(url: str) -> bool:
    """Whether a file of this URL goes to a model as words: it is in the URL, and is a text."""
    head = url[:200].partition(",")[0].partition(";")[0]
    media_type = head.removeprefix("data:").lower() or "text/plain"
    return head.startswith("data:") and (
        media_type.startswith("text/") or media_type == "application/json"
    )


def read_source(source: Any, kind: Kind, name: str = "") -> tuple[str, str]:
    """Name and URL of what a program has: a path, bytes, or a URL. Raises UsageError."""
    what = f"{kind}.of({_show(source)})"
    if isinstance(source, str) and _scheme(source) not in ("", "data"):
        check_url(kind, source)
        return name or unquote(urlsplit(source).path.rpartition("/")[2]) or kind.lower(), source
    if isinstance(source, bytes | bytearray | memoryview):
        content = bytes(source)
    elif isinstance(source, str) and _scheme(source) == "data":
        content = _decode(source, what)
    elif isinstance(source, str) or hasattr(source, "__fspath__"):
        content = _read_file(source, kind, what)
        name = name or re.split(r"[/\\]", str(source))[-1]
    else:
        raise UsageError(f"{what}: it must be a path, bytes or a URL")
    if not content:
        raise UsageError(f"{what}: it is empty")
    if len(content) > MAX_BYTES[kind]:
        raise UsageError(
            f"{what}: it has more than {MAX_BYTES[kind] // 1_000_000} MB; make it less"
        )
    if kind == "File" and not find_type(content):
        content = _in_utf8(content)
    content_type = _type_of(content, kind, name, what)
    url = f"data:{content_type};base64,{base64.b64encode(content).decode()}"
    return name or _default_name(content_type), url


def check_url(kind: Kind, url: Any) -> None:
    """Raise UsageError for a URL that no provider takes."""
    what = f"{kind}({_show(url)})"
    if isinstance(url, str) and url.startswith("data:") and "," in url:
        if url.partition(",")[0].endswith(";base64") and not _decode(url, what):
            raise UsageError(f"{what}: it is empty")
        return
    if not isinstance(url, str) or not _scheme(url):
        raise UsageError(f"{what}: it takes a URL; {kind}.of(…) reads a path or bytes")
    if kind != "Audio" and _has_place(url):
        return
    wanted = "a data: URL" if kind == "Audio" else "an https or a data: URL"
    raise UsageError(f"{what}: it must be {wanted}; {kind}.of(…) makes one of a path or bytes")


def _has_place(url: str) -> bool:
    """Whether a URL is of https with a host, or of http on this machine."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return (_scheme(url) == "http" and host in _LOOPBACK) or (
        _scheme(url) == "https" and bool(host)
    )


def find_type(content: bytes) -> str:
    """The media type that a content shows; "" for one that isn't known."""
    for start, signature, content_type in _SIGNATURES:
        if content.startswith(signature, start):
            return content_type
    return ""


def _type_of(content: bytes, kind: Kind, name: str, what: str) -> str:
    found = find_type(content)
    ending = name.rpartition(".")[2].lower()
    if kind == "File":
        if found == "application/pdf":
            return found
        if found == "application/zip" and ending in _OFFICE:
            return _OFFICE[ending]
        if not found and ending != "pdf" and _is_text(content):
            return _TEXTS.get(ending, "text/plain")
    elif found in _TAKEN[kind]:
        return found
    other = {"image": "Image.of", "audio": "Audio.of"}.get(found.partition("/")[0], "")
    looks = f"its content is {found or 'of no known type'}"
    instead = f"; for that there is {other}" if other and not other.startswith(kind) else ""
    raise UsageError(f"{what}: {looks}, and it must be {_TAKEN_IN_WORDS[kind]}{instead}")


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _in_utf8(content: bytes) -> bytes:
    """A text in UTF-8, as all providers read it; what is no text as it is.

    It may be UTF-16 that says so at its start, or have lines in Windows' Latin, as spreadsheets
    write it.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", "replace")
    else:
        text = decode_lines(content)
    return content if _NO_TEXT.search(text) else text.encode()


def _decode(url: str, what: str) -> bytes:
    head, _, data = url.partition(",")
    if not head.endswith(";base64"):
        raise UsageError(f"{what}: a data: URL must be in base64, data:image/png;base64,…")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(f"{what}: its base64 is broken") from None


def _read_file(path: Any, kind: Kind, what: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES[kind] + 1)
    except FileNotFoundError:
        raise UsageError(f"{what}: there is no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{what}: it can't be read: {reason}") from None


def _scheme(url: str) -> str:
    """The scheme of a URL; "" for a path, also one with a drive's letter."""
    found = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):", url)
    return found[1].lower() if found else ""


def _show(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    return shorten(repr(value[:81] if isinstance(value, str) else value), 80)


def _default_name(content_type: str) -> str:
    ending = content_type.rpartition("/")[2]
    return f"file.{'txt' if ending == 'plain' else ending}"
