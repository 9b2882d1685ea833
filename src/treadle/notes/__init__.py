"""Long-term notes: kept across threads, found by words and by meaning."""

from typing import TYPE_CHECKING

from ..on_use import import_on_use
from .note_tools import note_tools  # at once: its module has the same name

if TYPE_CHECKING:
    from .embedder import Embedder
    from .embeddings import OpenAIEmbedder
    from .hash_embedder import HashEmbedder
    from .local_embedder import LocalEmbedder
    from .note import Note
else:
    __getattr__ = import_on_use(
        __name__,
        {
            ".embedder": "Embedder",
            ".embeddings": "OpenAIEmbedder",
            ".hash_embedder": "HashEmbedder",
            ".local_embedder": "LocalEmbedder",
            ".note": "Note",
        },
    )

__all__ = [
    "Embedder",
    "HashEmbedder",
    "LocalEmbedder",
    "Note",
    "OpenAIEmbedder",
    "note_tools",
]
