"""The protocol of an embedding model."""

from collections.abc import Sequence
from typing import Protocol


class Embedder(Protocol):
    """An embedding model: texts with the same meaning get vectors with the same direction."""

    @property
    def name(self) -> str:
        """The model's name; vectors from models of different names are never compared."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One unit vector for each text, in order, as little-endian float32."""
        ...
