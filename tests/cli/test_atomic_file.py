"""Files that are there whole or not at all."""

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from treadle import UsageError
from treadle.cli.atomic_file import require_writable, write_atomically


def breaks_off(out: BinaryIO) -> None:
    out.write(b"half")
    raise KeyError


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with write_atomically(file) as out:
        out.write(b"whole")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"whole", 0o600)
    with pytest.raises(KeyError), write_atomically(file) as out:
        breaks_off(out)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"whole")]


def test_what_is_no_file_is_written_to_and_not_put_away(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with write_atomically(pipe) as out:
        out.write(b"all")
    assert os.read(reader, 9) == b"all"
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["", "none/file"])
def test_a_place_that_takes_no_file_is_known_before(tmp_path: Path, name: str) -> None:
    require_writable(tmp_path / "file")
    require_writable(Path("/dev/null"))
    assert not (tmp_path / "file").exists()
    with pytest.raises(UsageError, match="can't be written"):
        require_writable(tmp_path / name)
    with (
        pytest.raises(UsageError, match="can't be written"),
        write_atomically(tmp_path / name) as out,
    ):
        out.write(b"x")
