"""An embedder for any server with OpenAI's `/embeddings` endpoint.

1. Every vector is scaled to length one, so that a dot product is the cosine.
2. Vectors from different models can't be compared. So `name` holds the model's name, and the
   number of dimensions if one was asked for.
3. It never retries: a ModelUnavailable tells the caller that retrying may help.
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

from ..core.check_settings import check_number, check_whole_number
from ..core.errors import ModelError, ModelRejected, ModelUnavailable
from ..models.endpoint import Endpoint, Key
from ..models.known_secrets import redact_error
from ..models.provider_errors import to_model_error

MAX_TEXTS = 128
"""The most texts in one request."""

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""The largest answer that is read; 128 vectors of 4,096 numbers, as JSON, are 12 MB."""

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

    Key and address come from the arguments, else from OPENAI_API_KEY and OPENAI_BASE_URL, as in
    OpenAI's SDK.
    """

    model: str
    _: KW_ONLY
    base_url: str | None = None
    """Up to and without `/embeddings`; most end in `/v1`."""
    api_key: Key | None = field(default=None, repr=False)
    name: str = ""
    """`openai:`, the model and the dimensions asked for, unless given."""
    dimensions: int | None = None
    """How many numbers a vector should have, for models that support it; None: the model's own."""
    timeout_s: float = 60.0
    """How long one request may take, up to the end of the answer."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Added to every request's body, e.g. {"input_type": "query"}."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to every request's headers."""
    _endpoint: Endpoint = field(init=False, repr=False)

    def __repr__(self) -> str:
        url = self._endpoint.shown_url
        return f"{type(self).__name__}({self.model!r}, base_url={url!r}, name={self.name!r})"

    def __post_init__(self) -> None:
        check_number("OpenAIEmbedder(timeout_s", self.timeout_s)
        check_whole_number("OpenAIEmbedder(dimensions", self.dimensions, 1, "the model's own")
        name = f"openai:{self.model}"
        if self.dimensions:
            name += f"@{self.dimensions}"
        object.__setattr__(self, "name", self.name or name)
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
        """One unit vector for each text, in several requests if there are many texts.

        Raises a ModelError, and UsageError if the key is missing.
        """
        found: list[bytes] = []
        try:
            for first in range(0, len(texts), MAX_TEXTS):
                batch = texts[first : first + MAX_TEXTS]
                answer = await self._post(batch)
                found += await asyncio.to_thread(parse_vectors, answer, len(batch))
            self._check_dimensions(found)
        except ModelError as error:
            redact_error(error)
            raise
        return found

    def _check_dimensions(self, vectors: Sequence[bytes]) -> None:
        sizes = sorted({len(vector) // _FLOAT_BYTES for vector in vectors})
        if self.dimensions:
            if sizes and sizes != [self.dimensions]:
                raise ModelRejected(
                    f"vectors of {sizes} dimensions came from {self.name};"
                    f" {self.dimensions} were asked for"
                )
        elif len(sizes) > 1:
            raise ModelRejected(
                f"vectors of {sizes} dimensions came from {self.name}; they can't be compared"
            )

    async def _post(self, texts: Sequence[str]) -> bytes:
        body: dict[str, Any] = {
            "model": self.model,
            # JSON can't hold lone surrogates
            "input": [text.encode("utf8", "replace").decode() for text in texts],
            "encoding_format": "float",
        }
        if self.dimensions:
            body["dimensions"] = self.dimensions
        body |= self.extra
        answer = bytearray()
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                aclosing(await self._endpoint.post(msgspec.json.encode(body))) as pieces,
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
    """The unit vectors in an `/embeddings` answer, in the order of the texts.

    Pure. Raises a ModelError.
    """
    try:
        rows = _decode(answer).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _to_error(answer, error) from None
    if len(rows) != count:
        raise ModelRejected(f"{len(rows)} vectors came for {count} texts")
    for position, row in enumerate(rows):
        if row.index is None:
            row.index = position
    indexes = [row.index for row in rows if row.index is not None]
    if sorted(indexes) != list(range(count)):
        raise ModelRejected(
            f"the vectors' indexes are not 0 to {count - 1}, each once: {indexes[:10]}"
        )
    by_index = dict(zip(indexes, rows, strict=True))
    return [to_unit_vector(by_index[index].embedding) for index in range(count)]


def to_unit_vector(numbers: Sequence[float]) -> bytes:
    """The vector scaled to length one, as little-endian float32. Pure. Raises ModelRejected."""
    length = math.hypot(*numbers)
    if not 0 < length < math.inf:  # false for NaN too
        raise ModelRejected(
            "a vector has no direction: it is empty, all zeros, or holds what isn't a finite number"
        )
    packed = array("f", [number / length for number in numbers])
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _to_error(answer: bytes, why: Exception) -> ModelError:
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
