"""How the events of a reply come over the line: whole, in pieces, or not to their end."""

from collections.abc import Callable, Sequence

from conformance.conversation import Fails, Reply
from server import failing, http, streamed

KEPT = 0.6
"""The part of its events that a broken reply has."""


def send(reply: Reply, events: Sequence[bytes], error: bytes) -> bytes:
    """A response of HTTP with these events of a stream; `error` is one that ends it early."""
    some = list(events[: max(1, int(len(events) * KEPT))])
    match reply.sent:
        case "cut":
            return streamed(some, end=False)
        case "ends early":
            return streamed(some)
        case "error":
            return streamed([*some, error])
        case "bytes":
            return streamed([bytes([byte]) for byte in b"".join(events)])
    return streamed(events)


def fail(fails: Fails, error: Callable[[Fails], object]) -> bytes:
    """A response of HTTP that is no success."""
    headers = {} if fails.retry_after_s is None else {"retry-after": str(fails.retry_after_s)}
    if fails.page:
        page = f"<html><body>{fails.words}</body></html>".encode()
        return http(fails.status, page, {"content-type": "text/html", **headers})
    return failing(fails.status, error(fails), headers)


def with_unknown(value: object) -> object:
    """The value, with a field that no documentation has in each of its objects.

    Arguments of tools are left as they are: the model has written them.
    """
    if isinstance(value, dict):
        made = {key: _inner(key, each) for key, each in value.items()}
        return made | {"future": {"level": 1}}
    if isinstance(value, list):
        return [with_unknown(each) for each in value]
    return value


def _inner(key: str, value: object) -> object:
    return value if key in ("input", "action", "usage") else with_unknown(value)
