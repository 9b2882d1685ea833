"""Text of files that aren't all in UTF-8: old ones, and those joined of others. Pure."""


def decode_lines(data: bytes) -> str:
    """The text: each line in UTF-8, or in Windows' Latin where it isn't that."""
    return "\n".join(map(_decode_line, data.split(b"\n")))


def _decode_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")
