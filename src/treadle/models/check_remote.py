"""Checks what a RemoteModel is made of, before it is asked for the first time. Pure."""

from collections.abc import Mapping
from typing import Any

from ..core.check_settings import check_kind, check_number, check_whole_number
from ..core.errors import UsageError
from ..core.model_settings import check_model_settings
from .dialect import Dialect


def check_remote(given: Mapping[str, Any]) -> None:
    """Raise UsageError for an argument that is of no use, by its name. Keys are checked apart."""
    for name in ("model", "name"):
        check_kind(f"RemoteModel({name}=)", given[name], str, "a text")
    if not given["model"].strip():
        raise UsageError("RemoteModel(model='') names no model; give its name at the provider")
    if given["base_url"] is not None:
        check_kind("RemoteModel(base_url=)", given["base_url"], str, 'a text, as "https://host/v1"')
    key = given["api_key"]
    if key is not None and not callable(key):
        check_kind("RemoteModel(api_key=)", key, str, "a text, or a function that gives one")
    _check_headers(given["headers"])
    wanted = "CHAT, RESPONSES or MESSAGES of treadle.models"
    check_kind("RemoteModel(dialect=)", given["dialect"], Dialect, wanted)
    check_whole_number("RemoteModel(context_tokens", given["context_tokens"])
    check_whole_number("RemoteModel(max_output_tokens", given["max_output_tokens"], 1)
    check_number("RemoteModel(idle_s", given["idle_s"], 0.001)
    check_model_settings("RemoteModel(settings=)", given["settings"])


def _check_headers(headers: Any) -> None:
    wanted = 'a mapping of texts, as {"X-Team": "lamps"}'
    check_kind("RemoteModel(headers=)", headers, Mapping, wanted)
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise UsageError(
                f"RemoteModel(headers=) has {name!r}, which isn't a text; give {wanted}"
            )
