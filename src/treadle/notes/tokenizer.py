"""Text to the numbers of a vocabulary: SentencePiece's unigram model, read from its `.model` file.

1. The file is a protocol buffer. Only the pieces and their scores are read of it.
2. Text is normalised by Unicode's NFKC. The table of the file differs from it in rare characters alone.
3. No piece goes across a space, so each word is cut by itself, and one that came before is not cut again.
4. Of all ways to cut a word into pieces, the one with the highest sum of scores is taken (Viterbi).
"""

import struct
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

UNKNOWN, BEGIN, END = 0, 1, 2
"""Their numbers in the vocabulary."""

SPACE = "\u2581"
MAX_WORD_CHARS = 200
"""A longer word is cut, so that no text costs more than its length."""

_NORMAL = 1
_PENALTY = 10.0
"""How far a character in no piece is below the worst piece: SentencePiece's own figure."""
_MAX_WORDS_HELD = 20_000


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary. For several threads."""

    pieces: dict[str, tuple[int, float]]
    """Number and score of each."""
    longest: int
    """In characters."""
    unknown_score: float
    _words: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def encode(self, text: str, limit: int) -> list[int]:
        """The numbers of the text's pieces, between those of begin and end; at most `limit` in all."""
        found = [BEGIN]
        words = (
            unicodedata.normalize("NFKC", text).replace("\u200b", " ").split()
        )  # as SentencePiece takes it
        for word in words:
            if len(found) >= limit:
                break
            marked = SPACE + word
            for start in range(0, len(marked), MAX_WORD_CHARS):
                found += self._numbers(marked[start : start + MAX_WORD_CHARS])
        return [*found[: limit - 1], END] if words else [BEGIN, UNKNOWN, END]

    def _numbers(self, word: str) -> tuple[int, ...]:
        held = self._words.get(word)
        if held is None:
            if len(self._words) >= _MAX_WORDS_HELD:
                self._words.clear()
            held = self._words[word] = self._cut(word)
        return held

    def _cut(self, word: str) -> tuple[int, ...]:
        """The best way to cut it: for each place, the best sum so far, and the piece that ends there."""
        sums = [0.0] + [float("-inf")] * len(word)
        last = [(0, UNKNOWN)] * (len(word) + 1)
        for start in range(len(word)):
            for end in range(start + 1, min(len(word), start + self.longest) + 1):
                missing = (UNKNOWN, self.unknown_score) if end == start + 1 else None
                piece = self.pieces.get(word[start:end], missing)
                if piece and sums[start] + piece[1] > sums[end]:
                    sums[end] = sums[start] + piece[1]
                    last[end] = start, piece[0]
        numbers, end = [], len(word)
        while end:
            end, number = last[end]
            numbers.append(number)
        return tuple(reversed(numbers))


def tokenizer_of(data: bytes) -> Tokenizer:
    """The vocabulary in the bytes of a `.model` file. Raises ValueError for other bytes."""
    pieces: dict[str, tuple[int, float]] = {}
    number = 0
    for key, message in _fields(data):
        if key != 1 or not isinstance(message, bytes):
            continue
        piece = dict(_fields(message))
        text, score = piece.get(1), piece.get(2, b"\0\0\0\0")
        if (
            piece.get(3, _NORMAL) == _NORMAL
            and isinstance(text, bytes)
            and isinstance(score, bytes)
        ):
            pieces[text.decode()] = number, struct.unpack("<f", score)[0]
        number += 1
    if not pieces:
        raise ValueError("no pieces are in it")
    return Tokenizer(
        pieces, max(map(len, pieces)), min(score for _, score in pieces.values()) - _PENALTY
    )


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a protocol buffer's message. Raises ValueError."""
    at = 0
    try:
        while at < len(data):
            tag, at = _varint(data, at)
            kind = tag & 7
            if kind == 0:
                value, at = _varint(data, at)
                yield tag >> 3, value
                continue
            length = {1: 8, 5: 4}.get(kind)
            if kind == 2:
                length, at = _varint(data, at)
            if length is None or at + length > len(data):
                raise ValueError("it is no protocol buffer, or was cut")
            yield tag >> 3, data[at : at + length]
            at += length
    except IndexError:
        raise ValueError("it is no protocol buffer, or was cut") from None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
