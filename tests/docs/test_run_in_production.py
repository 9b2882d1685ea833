"""docs/how-to/run-in-production.md: its commands, options and metrics are there, and its backup can be restored."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import postgres_server
from commands_on_pages import find_command_lines, find_faults
from treadle import Agent, ScriptedModel
from treadle.models.scripted import says
from treadle.workers import metrics
from treadle.workers.worker import AGAIN_S, KNOWN_S

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how-to" / "run-in-production.md").read_text("utf8")
COMMANDS = find_command_lines(PAGE)


def test_it_names_many_commands() -> None:
    assert len(COMMANDS) > 25


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_and_its_options_are_there(words: list[str]) -> None:
    assert list(find_faults(words)) == []


def test_each_metric_and_attribute_is_one_of_a_worker_s() -> None:
    known = {
        value for name, value in vars(metrics).items() if name.isupper() and isinstance(value, str)
    }
    named = set(re.findall(r"`(treadle\.[a-z.]+)`", PAGE))
    assert len(named) > 6
    assert named <= known


def test_each_outcome_that_it_names_is_told() -> None:
    observe = (DOCS / "observe.md").read_text("utf8")
    for outcomes in re.findall(r"`treadle\.job\.outcome` (?:is `)?(\w+)(?: or (\w+))?", PAGE):
        for outcome in filter(None, outcomes):
            assert f"`{outcome}`" in observe


def test_its_figures_of_time_are_the_code_s() -> None:
    assert (AGAIN_S, KNOWN_S) == (60, 10)
    assert "comes back a minute later" in PAGE
    assert "within ten seconds" in PAGE


def test_its_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)", PAGE):
        assert (DOCS / "how-to" / link).exists(), link


@pytest.mark.slow
@pytest.mark.postgres
def test_what_its_commands_back_up_is_restored(
    postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's own lines, with this server's names; Treadle's role itself gets no half of a backup."""
    programs = postgres_server.find_programs()
    assert programs
    if not (programs / "pg_dump").exists():
        pytest.skip("pg_dump isn't here")
    folder, owner = str(postgres.folder), "ops_treadle"
    for name, value in {"PGHOST": folder, "PGUSER": "tester"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    def run(line: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True)

    made = run(
        f'psql postgres -c "create role {owner} login" && createdb --owner {owner} ops_agents'
    )
    assert made.returncode == 0, made.stderr
    url = f"postgresql://{owner}@/ops_agents?host={folder}"
    agent = Agent("Be brief.", name="shop", model=ScriptedModel([says("Yes.")]), store=url)
    agent.run_sync("Hello?", thread="mine")

    [block] = [each for each in re.findall(r"```sh\n(.*?)```", PAGE, re.S) if "pg_dump" in each]
    ours = rename(owner)
    roles, dump, restore, check = (ours(line) for line in block.splitlines())
    assert run(roles).returncode == 0
    refused = run(dump.replace("--username ops_backup", f"--username {owner}"))
    assert "row-level security" in refused.stderr
    for line in (dump, restore):
        done = run(line)
        assert done.returncode == 0, done.stderr
    [words] = find_command_lines(f"`{check}`")
    assert list(find_faults(words)) == []
    restored = f"postgresql://{owner}@/ops_restored?host={folder}"
    again = Agent("Be brief.", name="shop", model=ScriptedModel([says("No.")]), store=restored)
    assert again.run_sync("And now?", thread="mine").records[0].seq > 5


def rename(owner: str) -> Callable[[str], str]:
    """A line of the page with names that no other test of this server has."""

    def ours(line: str) -> str:
        line = re.sub(r"\b(agents|restored)\b(?!\.dump)", r"ops_\1", line)
        line = re.sub(r"\bbackup\b", "ops_backup", line)
        return re.sub(r"\b(grant|owner) treadle\b", rf"\1 {owner}", line)

    return ours
