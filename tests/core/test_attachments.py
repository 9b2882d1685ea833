"""Pictures, files and sounds are checked when they are made: by content, size, and whether they are there."""

import base64
from pathlib import Path
from typing import Any

import pytest

from treadle import Audio, File, Image
from treadle.core.attachments import MAX_BYTES, check_url
from treadle.core.errors import UsageError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
JPEG = b"\xff\xd8\xff\xe0" + bytes(8)
WEBP = b"RIFF\0\0\0\0WEBPVP8 "
WAV = b"RIFF\0\0\0\0WAVEfmt "
PDF = b"%PDF-1.7 x"


def url(content_type: str, content: bytes) -> str:
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (b"GIF89a...", "image/gif"),
        (WEBP, "image/webp"),
    ],
)
def test_a_picture_is_of_the_type_that_its_content_shows(tmp_path, content, content_type):
    path = tmp_path / "lamp.txt"
    path.write_bytes(content)
    made = Image(url(content_type, content))
    for source in (path, str(path), content, bytearray(content), memoryview(content)):
        assert Image.of(source) == made
    assert Image.of(url("image/x-wrong", content)) == made


def test_addresses_stay_addresses():
    assert Image.of("https://x.test/a.png") == Image("https://x.test/a.png")
    assert Image.of("http://127.0.0.1:8000/a.png") == Image("http://127.0.0.1:8000/a.png")
    assert File.of("https://x.test/b/a%20c.pdf?x=1") == File(
        "a c.pdf", "https://x.test/b/a%20c.pdf?x=1"
    )


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("a.pdf", PDF, "application/pdf"),
        ("a.bin", PDF, "application/pdf"),
        ("a.txt", b"hello", "text/plain"),
        ("a.csv", b"a;b", "text/csv"),
        ("a.py", "é".encode(), "text/plain"),
        (
            "a.docx",
            b"PK\x03\x04..",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    ],
)
def test_a_file_has_a_name_and_a_type(tmp_path, name, content, content_type):
    path = tmp_path / name
    path.write_bytes(content)
    assert File.of(path) == File(name, url(content_type, content))


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "latin-1"])
def test_a_text_of_a_spreadsheet_is_read_as_utf_8(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes("Größe;Preis\n5;é".encode(encoding))
    assert File.of(path) == File("a.csv", url("text/csv", "Größe;Preis\n5;é".encode()))


def test_bytes_get_a_name_by_their_type():
    assert File.of(PDF).name == "file.pdf"
    assert File.of(b"hello").name == "file.txt"
    assert File.of(PDF, "bill.pdf").name == "bill.pdf"


def test_a_sound_is_wav_or_mp3():
    assert Audio.of(WAV) == Audio(url("audio/wav", WAV))
    assert Audio.of(b"ID3\x04").url.startswith("data:audio/mpeg;base64,")


@pytest.mark.parametrize(
    ("make", "source", "said"),
    [
        (Image.of, "photos/none.png", r"Image.of\('photos/none.png'\): there is no such file"),
        (Image.of, ".", "can't be read: Is a directory"),
        (Image.of, "a\0b", "can't be read"),
        (Image.of, b"", "it is empty"),
        (
            Image.of,
            b"\x89PNG",
            "4 bytes.*of no known type, and it must be a PNG, JPEG, GIF or WebP",
        ),
        (Image.of, b"\0\0\0\x18ftypheic", "its content is image/heic"),
        (Image.of, b"II*\0", "its content is image/tiff"),
        (Image.of, PDF, "its content is application/pdf"),
        (Image.of, bytes(MAX_BYTES["Image"] + 1), "more than 20 MB"),
        (Image.of, 7, "must be a path, bytes or a URL"),
        (Image.of, "ftp://x.test/a.png", "must be an https or a data: URL"),
        (Image.of, "http://x.test/a.png", "must be an https or a data: URL"),
        (Image.of, "file:///a.png", "must be an https or a data: URL"),
        (Image.of, "data:image/png,x", "must be in base64"),
        (Image.of, "data:image/png;base64,x", "its base64 is broken"),
        (File.of, PNG, "its content is image/png.*there is Image.of"),
        (File.of, WAV, "there is Audio.of"),
        (File.of, b"PK\x03\x04..", "its content is application/zip"),
        (File.of, b"\0\xff", "of no known type"),
        (File.of, b"\x1f\x8b\x08\xe9", "of no known type"),
        (File.of, b"\xff\xfea", "of no known type"),
        (Audio.of, b"OggS", "its content is audio/ogg, and it must be WAV or MP3"),
        (Audio.of, "https://x.test/a.wav", "must be a data: URL"),
    ],
)
def test_what_no_model_takes_is_refused_in_words(make, source, said):
    with pytest.raises(UsageError, match=said):
        make(source)


def test_a_file_that_says_pdf_and_is_none_is_refused(tmp_path: Path):
    path = tmp_path / "a.pdf"
    path.write_text("<html>")
    with pytest.raises(UsageError, match="it must be a PDF"):
        File.of(path)


@pytest.mark.parametrize(
    "bad", ["photos/lamp.png", b"\x89PNG", None, "C:\\lamp.png", "https://", "https://[x"]
)
def test_a_url_is_checked_where_a_message_enters(bad: Any):
    with pytest.raises(UsageError, match=r"Image\.of\(…\)"):
        check_url("Image", bad)


@pytest.mark.parametrize("kind", ["Image", "File", "Audio"])
@pytest.mark.parametrize(
    ("data", "told"), [("!!!", "its base64 is broken"), ("aGVsbG8", "broken"), ("", "it is empty")]
)
def test_broken_base64_never_comes_into_a_thread(kind: Any, data: str, told: str):
    with pytest.raises(UsageError, match=told):
        check_url(kind, f"data:image/png;base64,{data}")
    check_url(kind, "data:text/plain,hello")
