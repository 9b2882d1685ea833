"""deploy/: what its files name is there: commands, options, extras, sources, services; nothing is open to others.

No container is run here.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from commands_on_pages import find_command_lines, find_faults

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, each in SERVICES.items() if each["image"] == "treadle"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf8")
README = (DEPLOY / "README.md").read_text("utf8")


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_commands_that_there_are(name: str) -> None:
    command = SERVICES[name]["command"]
    assert list(find_faults(command)) == []
    [agent] = [word for word in command if ".py:" in word]
    file, _, attribute = agent.partition(":")
    names: dict[str, Any] = {}
    exec((DEPLOY / "agents" / file).read_text("utf8"), names)
    assert names[attribute].name == attribute


def test_a_worker_a_server_a_database_and_an_engine_are_there() -> None:
    assert OURS == ["worker", "server"]
    assert SERVICES["worker"]["deploy"]["replicas"] == 2
    for name in OURS:
        environment = SERVICES[name]["environment"]
        for variable, scheme in (("TREADLE_DB", "postgresql"), ("TREADLE_ENGINE", "temporal")):
            [(found, host)] = re.findall(r"^(\w+)://(?:\w+@)?(\w+)", environment[variable])
            assert (found, host in SERVICES) == (scheme, True)


def test_ports_are_this_machine_s_own_and_the_server_s_alone() -> None:
    ports = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert ports == {"server": ["127.0.0.1:8484:8484"]}


def test_who_depends_on_a_service_waits_until_it_is_healthy_or_has_ended() -> None:
    for each in SERVICES.values():
        for other, waits in each.get("depends_on", {}).items():
            healthy = waits["condition"] == "service_healthy"
            assert healthy or waits["condition"] == "service_completed_successfully"
            assert healthy == ("healthcheck" in SERVICES[other]), other


def test_images_have_versions_and_no_secret_stands_in_the_file() -> None:
    for each in SERVICES.values():
        assert each["image"] == "treadle" or re.search(r":\d", each["image"])
        for name, value in each["environment"].items():
            if "PASSWORD" in name or "PWD" in name:
                assert re.fullmatch(r"\$\{\w+:\?.*\}", value), name
    needed = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text("utf8")))
    needed.add(COMPOSE["secrets"]["keys"]["environment"])
    assert set(re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text("utf8"), re.M)) == needed


def test_what_is_stopped_has_longer_than_its_grace() -> None:
    from treadle.cli.serve import ServeOptions
    from treadle.cli.worker import WorkerOptions

    for name, options in (("worker", WorkerOptions), ("server", ServeOptions)):
        given_s = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
        assert given_s >= options.__dataclass_fields__["grace"].default + 5


def test_the_image_has_extras_that_there_are_and_a_user_without_rights() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    [extras] = re.findall(r"\.whl\)\[(.*?)\]", DOCKERFILE)
    assert set(extras.split(",")) <= project["optional-dependencies"].keys()
    needed = {"scale", "serve", "otel"}
    assert needed == set(extras.split(","))
    for copied in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.M):
        for source in copied.split():
            assert (ROOT / source).exists(), source
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER 10001", last, re.M)
    keys = SERVICES["server"]["secrets"][0]
    assert (keys["uid"], keys["mode"]) == ("10001", 0o400)  # treadle serve refuses what others read
    assert list(find_faults(re.findall(r'"(\w+)"', re.findall(r"^CMD (.*)$", last, re.M)[0]))) == []


def test_files_that_others_name_are_there() -> None:
    for each in SERVICES.values():
        for volume in each.get("volumes", []):
            place = volume.partition(":")[0]
            assert place in COMPOSE["volumes"] or (DEPLOY / place).exists()
    for link in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (DEPLOY / link).exists(), link


def test_the_page_s_commands_are_there() -> None:
    said = re.findall(r"docker compose run --rm worker ([\w -]+)`", README)
    assert said == ["queue"]
    others = re.findall(
        r"or `([a-zA-Z ]+)`, `([a-zA-Z ]+)`, `([a-zA-Z ]+)`, `([a-zA-Z ]+)`", README
    )
    for line in [*said, *others[0]]:
        assert list(find_faults(line.split())) == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("queue --json", None),
        ("db copy a b", None),
        ("wurker", "no command 'wurker'"),
        ("worker --enginee x", "worker has no option --enginee"),
        ("db drop", "no command 'drop'"),
    ],
)
def test_a_wrong_command_or_option_is_found(line: str, fault: str | None) -> None:
    text = f"```sh\nA=1 treadle {line} | cat\n```"
    [words] = find_command_lines(text)
    assert list(find_faults(words)) == ([] if fault is None else [fault])
