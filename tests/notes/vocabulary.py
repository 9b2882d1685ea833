"""A small SentencePiece vocabulary, and the bytes of its `.model` file."""

import struct

SPECIAL = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
NORMAL = [
    ("▁", -3.0, 1),
    ("a", -4.0, 1),
    ("b", -4.5, 1),
    ("ab", -5.0, 1),
    ("▁ab", -6.0, 1),
    ("ba", -5.5, 1),
]


def varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])


def block(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def model(pieces: list[tuple[str, float, int]]) -> bytes:
    """A `.model` file."""
    return b"".join(
        block(
            1,
            block(1, text.encode())
            + bytes([2 << 3 | 5])
            + struct.pack("<f", score)
            + (bytes([3 << 3, kind]) if kind != 1 else b""),
        )
        for text, score, kind in pieces
    )
