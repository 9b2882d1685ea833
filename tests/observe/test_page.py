"""The programs of docs/observe.md run, in their order and in one namespace."""

import logging
import re
from pathlib import Path

import pytest

from observe.receiver import receiving
from treadle import Agent, ScriptedModel
from treadle.models.scripted import says

PAGE = (Path(__file__).parents[2] / "docs" / "observe.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_its_programs_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs the extra otel")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert len(PROGRAMS) == 6
    with receiving() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        names = {
            "Agent": lambda *given, **more: Agent(
                *given, model=ScriptedModel([says("Good day.")]), **more
            )
        }
        logger = logging.getLogger("treadle.records")
        try:
            for program in PROGRAMS:
                exec(program.replace("import Agent, MemoryStore", "import MemoryStore"), names)
        finally:
            logger.setLevel(logging.NOTSET)
        names["tracing"].close()  # type: ignore[attr-defined]
    assert len(server.spans) == 2
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "Good day."
    assert out[1].startswith("0.0 {'agent': ")
    assert out[3].endswith("0.0 0.0 0 the first request of this thread to scripted")


def test_every_variable_it_names_is_spelt_as_the_code_does() -> None:
    from treadle.observe.otlp import ENDPOINTS
    from treadle.observe.tracing import CAPTURE

    assert ENDPOINTS[1] in PAGE
    assert CAPTURE in PAGE
