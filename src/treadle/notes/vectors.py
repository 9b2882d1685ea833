"""What a model of meaning gives: vectors that can be compared."""

from collections.abc import Sequence
from typing import Protocol


class Embedder(Protocol):
    """A model of meaning. Texts that say the same in other words have vectors that point the same way."""

    @property
    def name(self) -> str:
        """Of the model; vectors of another name are never compared."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One unit vector a text, in their order, each as little-endian float32."""
        ...
