"""Vectors from any server that speaks OpenAI's `/embeddings`.

1. A vector is made to be of length one here, whatever the model gave, so that a dot product is the cosine.
2. Vectors of two models say nothing of each other. So `name` says which model it was, with its number of dimensions
   where that was asked for.
3. Nothing is sent again here: a ModelUnavailable says that the caller may.
"""

import asyncio
import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import msgspec

from ..core.errors import ModelError, ModelRejected, ModelUnavailable
from ..models.endpoint import Endpoint
from ..models.provider_errors import to_model_error

MAX_TEXTS = 128
"""In one request."""

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Of one answer; 128 vectors of 4,096 numbers, written out, are 12 MB."""

_FLOAT_BYTES = 4


class _Vector(msgspec.Struct):
    embedding: list[float]
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]


_decode = msgspec.json.Decoder(_Answer).decode


@dataclass(frozen=True, eq=False)
class OpenAIEmbedder:
    """A model behind an OpenAI-compatible `/embeddings` endpoint.

    Key and address come from the arguments, else OPENAI_API_KEY and OPENAI_BASE_URL, as the SDK reads them.
    """

    model: str
    _: KW_ONLY
    base_url: str | None = None
    """Up to and without `/embeddings`; most end in `/v1`."""
    api_key: str | None = field(default=None, repr=False)
    name: str = ""
    """`openai:`, the model and the dimensions asked for, unless given."""
    dimensions: int | None = None
    """How many numbers a vector should have, for models that can be asked; None leaves it to the model."""
    timeout_s: float = 60.0
    """How long one request may take, answer and all."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Added to every request's body, e.g. {"input_type": "query"}."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to every request's headers."""
    _endpoint: Endpoint = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size = f"@{self.dimensions}" if self.dimensions else ""
        object.__setattr__(self, "name", self.name or f"openai:{self.model}{size}")
        endpoint = Endpoint(
            "/embeddings",
            self.name,
            base_url=self.base_url,
            api_key=self.api_key,
            idle_s=self.timeout_s,
            headers=self.headers,
        )
        object.__setattr__(self, "_endpoint", endpoint)
        object.__setattr__(self, "base_url", endpoint.base_url)

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Unit vectors, by as many requests as it takes. Raises a ModelError; UsageError where a key is missing."""
        found: list[bytes] = []
        try:
            for first in range(0, len(texts), MAX_TEXTS):
                asked = texts[first : first + MAX_TEXTS]
                answer = await self._answer(asked)
                found += await asyncio.to_thread(parse_vectors, answer, len(asked))
            sizes = sorted({len(vector) // _FLOAT_BYTES for vector in found})
            if len(sizes) > 1 or (found and self.dimensions and sizes != [self.dimensions]):
                wanted = (
                    f"{self.dimensions} were asked for"
                    if self.dimensions
                    else "they can't be compared"
                )
                raise ModelRejected(
                    f"vectors of {sizes} dimensions came from {self.name}; {wanted}"
                )
        except ModelError as error:
            error.args = (self._endpoint.mask_key(str(error)),)
            raise
        return found

    async def _answer(self, texts: Sequence[str]) -> bytes:
        settings = {"dimensions": self.dimensions} if self.dimensions else {}
        sent = [
            text.encode("utf8", "replace").decode() for text in texts
        ]  # half a surrogate pair is in no JSON
        body = {
            "model": self.model,
            "input": sent,
            "encoding_format": "float",
            **settings,
            **self.extra,
        }
        answer = bytearray()
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                aclosing(self._endpoint.post(msgspec.json.encode(body))) as pieces,
            ):
                async for piece in pieces:
                    answer += piece
                    if len(answer) > MAX_ANSWER_BYTES:
                        raise ModelRejected(
                            f"the answer of {self.name} is larger than {MAX_ANSWER_BYTES} bytes"
                        )
        except TimeoutError:
            raise ModelUnavailable(
                f"no whole answer from {self.name} in {self.timeout_s:g} s"
            ) from None
        return bytes(answer)


def parse_vectors(answer: bytes, count: int) -> list[bytes]:
    """The unit vectors of an `/embeddings` answer, in the order of the texts. Pure. Raises a ModelError."""
    try:
        rows = _decode(answer).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _no_vectors(answer, error) from None
    if len(rows) != count:
        raise ModelRejected(f"{len(rows)} vectors came for {count} texts")
    places = [place if row.index is None else row.index for place, row in enumerate(rows)]
    if sorted(places) != list(range(count)):
        raise ModelRejected(
            f"the vectors' indexes are not 0 to {count - 1}, each once: {places[:10]}"
        )
    return [
        to_unit_vector(row.embedding)
        for _, row in sorted(zip(places, rows, strict=True), key=lambda pair: pair[0])
    ]


def to_unit_vector(numbers: Sequence[float]) -> bytes:
    """The vector of length one in that direction, as little-endian float32. Pure. Raises ModelRejected."""
    length = math.hypot(*numbers)
    if not 0 < length < math.inf:  # also what isn't a number
        raise ModelRejected(
            "a vector has no direction: it is empty, all zeros, or holds what isn't a finite number"
        )
    packed = array("f", [number / length for number in numbers])
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _no_vectors(answer: bytes, why: Exception) -> ModelError:
    try:
        whole = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = None
    if isinstance(whole, dict) and whole.get("error"):
        return to_model_error(whole["error"])
    if not answer:
        return ModelUnavailable("the server said yes, and then nothing")
    start = answer[:80].decode("utf8", "replace")
    return ModelRejected(
        f"no embeddings came ({why}); is the base URL right? The answer starts with {start!r}"
    )
