"""Reads the `data:` URLs in which files are kept. Pure."""

import base64
import binascii
from urllib.parse import unquote_to_bytes

from ..core.attachments import is_text


def split_data_url(url: str) -> tuple[str, str]:
    """The media type and the base64 of a `data:` URL (RFC 2397); "" twice for another URL."""
    if not url.startswith("data:"):
        return "", ""
    head, _, data = url.removeprefix("data:").partition(",")
    media_type, *parameters = head.split(";")
    if "base64" not in parameters:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return media_type.lower() or "text/plain", data


def read_text_file(url: str) -> str:
    """What a text in a `data:` URL says; "" for a file of another type, or an empty one."""
    if not is_text(url):
        return ""
    _, data = split_data_url(url)
    try:
        text = base64.b64decode(data).decode()
    except (binascii.Error, ValueError):
        return ""
    return text if text.strip() else ""
