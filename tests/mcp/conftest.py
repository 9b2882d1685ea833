"""MCP servers for tests: real processes over stdio, one for each test, and consents in a file of the test's own."""

import sys
from pathlib import Path

import pytest

from treadle.mcp import background
from treadle.mcp.tools import McpTools, mcp

WHY = "installs eight servers of others by pip and npm: choose them with -m servers"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "servers" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("servers"):
            item.add_marker(pytest.mark.skip(reason=WHY))


PLAIN = Path(__file__).parent / "servers" / "plain.py"


@pytest.fixture(autouse=True)
def consents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "user" / "consents.json"
    monkeypatch.setenv("TREADLE_MCP_CONSENTS", str(path))
    yield path
    background.close_all()


class Plain:
    """The plain server, with what it remembers in a folder."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.line = " ".join([sys.executable, "-S", "-E", str(PLAIN), str(folder), *words])

    def tools(self, **settings: object) -> McpTools:
        return mcp(self.line, **settings)  # type: ignore[arg-type]


@pytest.fixture(params=["old", "new"])
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> Plain:
    """The server in both eras of the protocol."""
    return Plain(tmp_path, *([request.param] if request.param == "new" else []))


@pytest.fixture
def old(tmp_path: Path) -> Plain:
    return Plain(tmp_path)


@pytest.fixture
def new(tmp_path: Path) -> Plain:
    return Plain(tmp_path, "new")
