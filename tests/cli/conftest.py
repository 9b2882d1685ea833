from pathlib import Path

import pytest

from cli.commandline import Treadle


@pytest.fixture
def treadle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Treadle:
    return Treadle(tmp_path, monkeypatch, capsys)
