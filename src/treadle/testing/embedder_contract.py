"""What every embedding model promises, as tests: `notes/embedder.py` says it in words.

class TestMyEmbedder(EmbedderContract):
    async def make(self):
        return MyEmbedder()
"""

import asyncio
import math
import struct
from collections.abc import Sequence
from typing import Any

from ..notes.embedder import Embedder
from .contract import Contract, against

TEXTS = ("The cat sleeps on the sofa.", "Interest rates rise again.", "Ann eats no meat")
ODD = ("", " ", "\n", "ü 猫 🙂", "\ud800", "word " * 20_000, "a\x00b")
CLOSE = 1e-3
"""How much the same text's vector may differ from one call to the next."""


def numbers(vector: bytes) -> tuple[float, ...]:
    assert isinstance(vector, bytes), f"a vector is bytes, and this is {type(vector).__name__}"
    assert vector, "a vector has no numbers"
    assert len(vector) % 4 == 0, f"{len(vector)} bytes are no float32 numbers"
    return struct.unpack(f"<{len(vector) // 4}f", vector)


def likeness(first: bytes, second: bytes) -> float:
    """The cosine of two unit vectors."""
    pairs = zip(numbers(first), numbers(second), strict=True)
    return sum(one * other for one, other in pairs)


class EmbedderContract(Contract):
    """Tests of an embedding model. Subclass it, and say how one is made."""

    def make(self) -> Any:
        """An embedder; it may be async."""
        raise NotImplementedError(
            "an EmbedderContract needs a method make, which gives an embedder"
        )

    @against()
    async def test_it_has_a_name(self, embedder: Embedder) -> None:
        assert isinstance(embedder.name, str)
        assert embedder.name.strip()

    @against()
    async def test_each_text_has_a_unit_vector_of_the_same_size(self, embedder: Embedder) -> None:
        vectors = await embedder.embed(TEXTS)
        assert len(vectors) == len(TEXTS)
        assert len({len(vector) for vector in vectors}) == 1
        for vector in vectors:
            length = math.sqrt(sum(number * number for number in numbers(vector)))
            assert abs(length - 1) < CLOSE, f"a vector has the length {length}"

    @against()
    async def test_vectors_come_in_the_order_of_the_texts(self, embedder: Embedder) -> None:
        together = await embedder.embed(TEXTS)
        for text, vector in zip(TEXTS, together, strict=True):
            [alone] = await embedder.embed([text])
            assert likeness(alone, vector) > 1 - CLOSE, text

    @against()
    async def test_other_texts_have_other_vectors(self, embedder: Embedder) -> None:
        cat, rates, _ = await embedder.embed(TEXTS)
        assert likeness(cat, rates) < 1 - CLOSE

    @against()
    async def test_no_texts_have_no_vectors(self, embedder: Embedder) -> None:
        assert list(await embedder.embed([])) == []

    @against()
    async def test_any_text_has_a_vector(self, embedder: Embedder) -> None:
        vectors = await embedder.embed(ODD)
        assert len(vectors) == len(ODD)
        for text, vector in zip(ODD, vectors, strict=True):
            assert all(map(math.isfinite, numbers(vector))), repr(text[:20])

    @against()
    async def test_many_texts_have_as_many_vectors(self, embedder: Embedder) -> None:
        texts = [f"note {number}" for number in range(300)]
        vectors = await embedder.embed(texts)
        assert len(vectors) == len(texts)
        [last] = await embedder.embed(texts[-1:])
        assert likeness(last, vectors[-1]) > 1 - CLOSE

    @against()
    async def test_what_it_was_given_stays_as_it_was(self, embedder: Embedder) -> None:
        given: Sequence[str] = list(TEXTS)
        await embedder.embed(given)
        assert list(given) == list(TEXTS)

    @against()
    async def test_two_may_ask_at_once(self, embedder: Embedder) -> None:
        both = await asyncio.gather(embedder.embed(TEXTS[:1]), embedder.embed(TEXTS[1:2]))
        for [vector], text in zip(both, TEXTS, strict=False):
            [alone] = await embedder.embed([text])
            assert likeness(alone, vector) > 1 - CLOSE, text
