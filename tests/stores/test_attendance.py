"""Who drives which claim on this machine: seen by others while it lasts, however it ends."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from treadle import MemoryStore, SQLiteStore
from treadle.stores.attendance import Attendance, find_attendance

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")

ASKS = """
import sys
from pathlib import Path
from treadle.stores.attendance import find_attendance
print(find_attendance(Path(sys.argv[1])).find_beat(sys.argv[2]) is not None)
"""
BEAT = """
import sys
from pathlib import Path
from treadle.stores.attendance import find_attendance
for _ in sys.stdin:
    print(find_attendance(Path(sys.argv[1])).find_beat(sys.argv[2]), flush=True)
"""
DRIVES = """
import asyncio, sys
from pathlib import Path
from treadle.stores.attendance import find_attendance
async def main():
    with find_attendance(Path(sys.argv[1])).attend(sys.argv[2]):
        print("driving", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
"""


def seen_by_another(path: Path, claim: str) -> bool:
    ran = subprocess.run(
        [sys.executable, "-c", ASKS, path, claim], capture_output=True, text=True, check=True
    )
    return ran.stdout.strip() == "True"


def beat_seen_by(other: "subprocess.Popen[bytes]") -> str:
    other.stdin.write(b"\n")
    other.stdin.flush()
    return other.stdout.readline().decode()


@pytest.mark.parametrize("make", [MemoryStore, lambda: SQLiteStore("logs.db")])
def test_a_claim_is_attended_until_its_drive_ends_however_it_ends(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = make()

    async def whole() -> None:
        assert store.find_beat("a") is None
        with store.attend("a"):
            assert store.find_beat("a") is not None
            assert store.find_beat("b") is None
            with suppress(ZeroDivisionError), store.attend("b"):
                assert store.find_beat("b") is not None
                raise ZeroDivisionError
            assert store.find_beat("b") is None
        assert store.find_beat("a") is None

    asyncio.run(whole())


@pytest.mark.slow
def test_other_processes_see_it_too(tmp_path):
    path = tmp_path / "logs.db"

    async def whole() -> None:
        with find_attendance(path).attend("a"):
            assert seen_by_another(path, "a")
            assert not seen_by_another(path, "b")
            # Another store of this process on the same file lets go of nothing.
            with closing(SQLiteStore(path)) as store:
                assert store.find_beat("a") is not None
            assert seen_by_another(path, "a")

    asyncio.run(whole())
    assert not seen_by_another(path, "a")


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, None])
def test_a_process_that_ends_attends_to_nothing(tmp_path, end):
    path = tmp_path / "logs.db"
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVES, path, "a"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with driver:
        assert driver.stdout.readline() == b"driving\n"
        here = find_attendance(path)
        assert here.find_beat("a") is not None
        if end:
            os.kill(driver.pid, end)
        else:
            driver.stdin.write(b"\n")
            driver.stdin.flush()
        driver.wait()
    assert here.find_beat("a") is None


def test_the_beat_changes_while_the_event_loop_turns_and_only_then(tmp_path):
    """Beats are made by hand here; a thread makes them twice a second."""
    attendance = Attendance(tmp_path / "logs.db-drivers")

    async def whole() -> None:
        with attendance.attend("a"):
            beats = []
            for _ in range(3):
                attendance.beat()
                await asyncio.sleep(0)
                beats.append(attendance.find_beat("a"))
            assert len(set(beats)) == 3
            attendance.beat()
            attendance.beat()  # the loop hasn't turned since
            attendance.beat()
            assert attendance.find_beat("a") == beats[-1] + 1

    asyncio.run(whole())


@pytest.mark.slow
@pytest.mark.parametrize("missed", [1, 2, 6, 100])
def test_others_see_that_the_beat_has_changed_however_many_beats_they_have_missed(tmp_path, missed):
    """A follower that was stopped itself, or that had no time, must not take it for a dead one."""
    path = tmp_path / "logs.db"
    attendance = find_attendance(path)

    async def whole() -> None:
        with attendance.attend("a"):
            before = beat_seen_by(other)
            end = (attendance.find_beat("a") or 0) + missed
            while (attendance.find_beat("a") or 0) < end:  # a thread beats beside
                attendance.beat()
                await asyncio.sleep(0)
            assert beat_seen_by(other) != before

    with subprocess.Popen(
        [sys.executable, "-c", BEAT, path, "a"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        asyncio.run(whole())
        other.stdin.close()


@pytest.mark.slow
def test_a_fork_doesnt_attend_to_what_its_parent_drives(tmp_path):
    path = tmp_path / "logs.db"

    async def whole() -> int:
        attendance = find_attendance(path)
        with attendance.attend("a"):
            child = os.fork()
            if child == 0:
                # Its parent drives: it sees that as any other process does.
                os._exit(10 if attendance.find_beat("a") is not None else 11)
            _, status = os.waitpid(child, 0)  # noqa: ASYNC222
            assert seen_by_another(path, "a"), "the child's end takes nothing from the parent"
            return os.waitstatus_to_exitcode(status)

    assert asyncio.run(whole()) == 10


def test_where_no_file_can_be_made_nothing_is_attended_and_nothing_breaks(tmp_path):
    attendance = Attendance(tmp_path / "nowhere" / "logs.db-drivers")

    async def whole() -> None:
        with attendance.attend("a"):
            pass
        assert attendance.find_beat("a") is None

    asyncio.run(whole())
