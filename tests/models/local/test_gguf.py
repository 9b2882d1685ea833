import struct

import pytest

from treadle.models.local.gguf import read_chat_template, read_control_tokens


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def write_gguf(path, *fields: tuple[str, int, bytes], version: int = 3):
    """A GGUF file of these fields: key, number of the type, bytes of the value."""
    head = struct.pack("<4sIQQ", b"GGUF", version, 0, len(fields))
    path.write_bytes(
        head + b"".join(text(key) + struct.pack("<I", kind) + value for key, kind, value in fields)
    )
    return path


def template(value: str, name: str = "tokenizer.chat_template") -> tuple[str, int, bytes]:
    return name, 8, text(value)


BEFORE = (
    ("general.name", 8, text("x")),
    ("a", 4, struct.pack("<I", 7)),
    ("b", 7, b"\1"),
    ("c", 12, struct.pack("<d", 0.5)),
    ("tokens", 9, struct.pack("<IQ", 8, 2) + text("é") + text("")),
    ("scores", 9, struct.pack("<IQ", 6, 3) + bytes(12)),
    ("nested", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 0, 2) + b"ab"),
)


def test_the_template_is_found_behind_values_of_all_types(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", *BEFORE, template("{{ ü }}"), ("z", 0, b"\0"))
    assert read_chat_template(path) == "{{ ü }}"


def test_a_template_for_tools_is_read_too(tmp_path):
    tools = template("two", "tokenizer.chat_template.tool_use")
    assert read_chat_template(write_gguf(tmp_path / "a", template("one"), tools)) == "one\ntwo"


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_a_file_that_is_cut_or_damaged_has_no_template(tmp_path, cut):
    path = write_gguf(tmp_path / "a.gguf", *BEFORE, template("{{ x }}"))
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    assert read_chat_template(path) == ""
    path.write_bytes(whole[:cut] + b"\xff" * 40)
    assert read_chat_template(path) in ("", "{{ x }}")


@pytest.mark.parametrize(
    "value",
    [struct.pack("<IQ", 9, 1) * 5_000, struct.pack("<IQ", 12, 2**64 - 1)],
    ids=["deep", "huge"],
)
def test_a_file_made_to_break_its_reader_has_none(tmp_path, value):
    assert read_chat_template(write_gguf(tmp_path / "a", ("a", 9, value), template("x"))) == ""


def test_no_file_no_gguf_and_an_old_version_have_none(tmp_path):
    assert read_chat_template(tmp_path / "none") == ""
    (tmp_path / "text").write_text("no model, but a text")
    assert read_chat_template(tmp_path / "text") == ""
    assert read_chat_template(write_gguf(tmp_path / "old", template("x"), version=1)) == ""


def tokens(*named: tuple[str, int]) -> tuple[tuple[str, int, bytes], ...]:
    """The fields with these tokens and their types."""
    names = struct.pack("<IQ", 8, len(named)) + b"".join(text(name) for name, _ in named)
    kinds = struct.pack("<IQ", 5, len(named)) + struct.pack(
        f"<{len(named)}i", *dict(named).values()
    )
    return ("tokenizer.ggml.tokens", 9, names), ("tokenizer.ggml.token_type", 9, kinds)


MARKS = tokens(("a", 1), ("<|im_end|>", 3), ("<tool_call>", 4), ("é", 6), ("</s>", 3))


def test_control_tokens_are_those_that_no_text_becomes(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", *BEFORE, *MARKS, template("x"))
    assert read_control_tokens(path) == ["<|im_end|>", "</s>"]


def test_a_file_without_them_or_that_is_cut_has_none(tmp_path):
    assert read_control_tokens(write_gguf(tmp_path / "a", template("x"))) == []
    assert read_control_tokens(write_gguf(tmp_path / "b", *MARKS[:1])) == []
    path = write_gguf(tmp_path / "c", *MARKS)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert read_control_tokens(path) in ([], ["<|im_end|>"])
