"""Google's Universal Sentence Encoder, multilingual, version 3, in numpy: a text as 512 numbers.

The text is cut into pieces, and each has a vector in a table. Convolutions over two, three and five
pieces add what its neighbours say; the sum of all goes through a small network. There is no
attention, so a sentence takes a millisecond. It was trained on sixteen languages together: a
question in one finds a note in another.

The table is stored as bytes in 17 parts, piece n in part n modulo 17, each part with a scale and a
lowest value.
"""

import io
from dataclasses import dataclass
from typing import Any

MAX_PIECES = 1024
"""How many pieces of a text count, from its beginning."""
MAX_CHARS = 32 * MAX_PIECES
"""How many characters are cut into pieces; no piece of the real vocabulary has more than 16."""

PARTS = 17
WINDOWS = (2, 3, 5)

Array = Any
"""A numpy array. numpy is imported only when it is used."""


@dataclass(frozen=True)
class SentenceEncoder:
    """The model. Safe for several threads."""

    tokenizer: Any
    """A sentencepiece.SentencePieceProcessor."""
    table: Array
    weights: dict[str, Array]

    def encode(self, text: str) -> Array:
        """The text's vector. Its length is not quite one."""
        import numpy as np

        w = self.weights
        features = self._features(self._pieces(text))
        count = len(features)
        mean = (features.sum(axis=0) @ w["cnn_W"] + count * w["cnn_b"]) / np.sqrt(np.float32(count))
        first = _relu(mean @ w["p1"] + _relu(mean @ w["d0"]) @ w["d1"])
        return np.tanh(first @ w["p3"] + _relu(first @ w["d2"]) @ w["d3"])

    def _pieces(self, text: str) -> Array:
        import numpy as np

        numbers = np.array(encode_pieces(self.tokenizer, text))
        part = numbers % PARTS
        return (
            self.table[numbers] * self.weights["scale"][part, None] + self.weights["lo"][part, None]
        )

    def _features(self, pieces: Array) -> Array:
        """For each piece: its vector, and the output of each window around it."""
        import numpy as np

        w = self.weights
        projected = np.concatenate(
            [pieces @ w[f"proj{n}"] + w[f"proj_b{n}"] for n in WINDOWS], axis=1
        )
        gain, bias = (np.concatenate([w[f"ln_{kind}{n}"] for n in WINDOWS]) for kind in "gb")
        branches = np.split(self._normal(projected, gain, bias), len(WINDOWS), axis=1)
        seen = [pieces]
        for n, branch in zip(WINDOWS, branches, strict=True):
            for layer in ("1", "2"):
                branch = branch + _relu(
                    _windows(branch, n) @ w[f"w{layer}_{n}"] + w[f"b{layer}_{n}"]
                )
            seen.append(branch)
        return self._normal(np.concatenate(seen, axis=1), w["ln_g"], w["ln_b"])

    def _normal(self, rows: Array, gain: Array, bias: Array) -> Array:
        import numpy as np

        centred = rows - rows.mean(axis=1, keepdims=True)
        return (
            centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + self.weights["eps"]) * gain
            + bias
        )


def load_sentence_encoder(weights: bytes, vocabulary: bytes) -> SentenceEncoder:
    """The model from the bytes of its two files. Takes a second. Raises ValueError if invalid."""
    import numpy as np
    import sentencepiece

    tokenizer = sentencepiece.SentencePieceProcessor()
    try:
        tokenizer.LoadFromSerializedProto(vocabulary)
    except RuntimeError as error:
        raise ValueError(f"the vocabulary can't be read: {error}") from None
    with np.load(io.BytesIO(weights), allow_pickle=False) as stored:
        rows, width = stored["q1"].shape
        table = np.empty((rows * PARTS, width), np.uint8)
        for part in range(PARTS):
            table[part::PARTS] = stored[f"q{part + 1}"]
        others = {
            name: stored[name].astype(np.float32)
            for name in stored.files
            if not name.startswith("q")
        }
    return SentenceEncoder(tokenizer, table, others)


def encode_pieces(tokenizer: Any, text: str) -> list[int]:
    """The numbers of the text's pieces, at most MAX_PIECES with those of begin and end."""
    clean = text[:MAX_CHARS].encode("utf8", "replace").decode()  # lone surrogates are no UTF-8
    numbers = tokenizer.encode(clean) or [tokenizer.unk_id()]
    return [tokenizer.bos_id(), *numbers[: MAX_PIECES - 2], tokenizer.eos_id()]


def _windows(rows: Array, n: int) -> Array:
    """For each row, the n rows around it side by side; zeros beyond both ends."""
    import numpy as np

    before = (n - 1) // 2
    padded = np.pad(rows, ((before, n - 1 - before), (0, 0)))
    return np.concatenate([padded[start : start + len(rows)] for start in range(n)], axis=1)


def _relu(numbers: Array) -> Array:
    return numbers.clip(0)
