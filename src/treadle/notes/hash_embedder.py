"""A fake embedder for tests."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .embeddings import to_unit_vector

DIMENSIONS = 64


@dataclass(frozen=True, eq=False)
class HashEmbedder:
    """Texts with the same words have the same vector, and what `synonyms` maps counts as the same.

    It knows nothing of meaning, needs nothing, and gives the same vectors on every machine.
    """

    synonyms: Mapping[str, str] = field(default_factory=dict)
    """From a word in lower case to the one that it counts as."""
    name: str = "hash"

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Unit vectors of 64 dimensions; those of texts without words all point the same way."""
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> bytes:
        sums = [0.0] * DIMENSIONS
        for word in re.findall(r"\w+", text.lower()) or [""]:
            sums[
                zlib.crc32(self.synonyms.get(word, word).encode("utf8", "replace")) % DIMENSIONS
            ] += 1.0
        return to_unit_vector(sums)
