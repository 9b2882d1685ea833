"""What a plain install brings is what docs/decisions/017 says, and Treadle works with that alone."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = {
    "aiohttp",
    "click",
    "docstring-parser",
    "msgspec",
    "platformdirs",
    "pydantic",
    "stop-words",
    "truststore",
    "typing-extensions",
    "tzdata",
}
EXTRAS_ALONE = [
    "ddgs",
    "fastapi",
    "genai_prices",
    "httpx2",
    "jinja2",
    "jsonschema_rs",
    "lxml",
    "mcp",
    "mcp_types",
    "numpy",
    "openai",
    "opentelemetry",
    "pint",
    "prompt_toolkit",
    "pygments",
    "rich",
    "sentencepiece",
    "starlette",
    "toktok",
    "trafilatura",
    "typer",
    "uvicorn",
    "xllamacpp",
    "yaml",
]
HIDDEN = f"""
import sys
for name in {EXTRAS_ALONE!r}:
    sys.modules[name] = None
"""


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0]


def test_the_core_needs_what_was_decided():
    assert {name_of(each) for each in project()["dependencies"]} == CORE


def test_the_core_with_all_that_it_brings_is_at_most_24_packages():
    locked = tomllib.loads((ROOT / "uv.lock").read_text("utf8"))["package"]
    needs = {
        each["name"]: [
            other["name"]
            for other in each.get("dependencies", ())
            if "win32" not in other.get("marker", "") and "'3.11'" not in other.get("marker", "")
        ]
        for each in locked
    }
    found: set[str] = set()
    waiting = ["treadle"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs[name]
    assert found >= CORE
    assert len(found) <= 24, sorted(found)


def run(folder: Path, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN + program],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"TREADLE_DB": str(folder / "treadle.db")},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_an_agent_its_tools_and_its_prices_work_with_the_core_alone(tmp_path):
    out = run(
        tmp_path,
        """
from treadle import Agent, ScriptedModel, tool
from treadle.models.price_table import find_price
from treadle.models.scripted import calls, says
from treadle.core.events import Usage
from treadle.tools.shipped import load_shipped_tools

@tool
def add(a: int, b: int) -> int:
    "Add."
    return a + b

model = ScriptedModel([calls(("add", {"a": "1", "b": 2})), says("three")])
print(Agent(tools=[add], model=model).run_sync("1+2?").answer)
print(load_shipped_tools()["calculator"].function("sqrt(2) * sin(1)"))
print(find_price("gpt-4o", None)(Usage(1_000_000, 0)))
""",
    )
    assert out == "three\nsqrt(2) * sin(1) ≈ 1.19001967905877\n2.5\n"


@pytest.mark.slow
def test_what_an_extra_has_is_refused_in_words_that_name_the_install(tmp_path):
    out = run(
        tmp_path,
        """
from treadle import Tool
from treadle.core.errors import ToolError, UsageError
from treadle.tools.shipped import load_shipped_tools

for attempt in (
    lambda: Tool("a", "", {"type": "object"}, dict),
    lambda: load_shipped_tools()["calculator"].function("5 miles in km"),
):
    try:
        attempt()
    except (UsageError, ToolError) as error:
        print(error)
""",
    )
    schemas, units = out.splitlines()
    assert "pip install 'treadle[schemas]'" in schemas
    assert "pip install 'treadle[units]'" in units


@pytest.mark.slow
def test_the_command_line_works_with_the_core_alone(tmp_path):
    out = run(
        tmp_path,
        """
from treadle.cli.main import main
main(["tools"])
""",
    )
    assert "calculator" in out


def test_each_extra_that_an_error_names_is_there():
    extras = project()["optional-dependencies"].keys()
    for path in (ROOT / "src").rglob("*.py"):
        for named in re.findall(r"treadle\[(\w+)\]", path.read_text("utf8")):
            assert named in extras, path
