"""A fake embedder for tests."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .embeddings import to_unit_vector

DIMENSIONS = 64


@dataclass(frozen=True, eq=False)
class HashEmbedder:
    """Gives texts with the same words the same vector. It needs no model and knows no meaning.

    The vectors are the same on every machine.
    """

    synonyms: Mapping[str, str] = field(default_factory=dict)
    """Maps a word in lower case to the word that it counts as."""
    name: str = "hash"

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Unit vectors of 64 dimensions; all texts without words get the same one."""
        return [self._to_vector(text) for text in texts]

    def _to_vector(self, text: str) -> bytes:
        counts = [0.0] * DIMENSIONS
        for word in re.findall(r"\w+", text.lower()) or [""]:
            word = self.synonyms.get(word, word)
            counts[zlib.crc32(word.encode("utf8", "replace")) % DIMENSIONS] += 1.0
        return to_unit_vector(counts)
