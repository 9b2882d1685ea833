"""Skills at the command line, and whether a project's files speak to the agent: asked once."""

import os
from pathlib import Path

import pytest

from cli.commandline import Treadle
from cli.test_agents_md_command import model
from server import Server


def write(folder: Path, name: str, told: str = "Knows it.") -> Path:
    (folder / name).mkdir(parents=True)
    text = f"---\nname: {name}\ndescription: {told}\n---\nDo it so.\n"
    (folder / name / "SKILL.md").write_text(text)
    return folder / name


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / "src").mkdir()
    (root / "AGENTS.md").write_text("Speak French.")
    write(root / ".agents" / "skills", "taxes")
    write(root / ".claude" / "skills", "letters")
    monkeypatch.chdir(root / "src")
    return root


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch):
    """A model that answers twice."""
    with model(2) as server:
        monkeypatch.setenv("TREADLE_MODEL", f"{server.url}#m")
        yield server


def system(server: Server, number: int) -> str:
    return server.asked[number].body["messages"][0]["content"]


def tools(server: Server, number: int) -> list[str]:
    return [each["function"]["name"] for each in server.asked[number].body.get("tools", [])]


def test_a_project_is_followed_once_it_is_trusted(
    treadle: Treadle, project: Path, answers: Server
) -> None:
    ran = treadle("Hello")
    assert ran.err.splitlines()[0] == (
        "not followed, as you haven't said that you trust this project (treadle trust):"
        " AGENTS.md, .agents/skills/taxes, .claude/skills/letters"
    )
    assert "French" not in system(answers, 0)
    assert "read_skill" not in tools(answers, 0)

    assert treadle("trust").err == f"trusted: {project}\n"
    ran = treadle("Hello")
    assert ran.err.splitlines()[:2] == [
        "skills: taxes, letters",
        "instructions from AGENTS.md",
    ]
    assert "Speak French." in system(answers, 1)
    assert "- taxes: Knows it.\n- letters: Knows it." in system(answers, 1)
    assert "read_skill" in tools(answers, 1)
    assert treadle("trust", "--forget", str(project)).err == f"forgotten: {project}\n"


@pytest.mark.parametrize(("said", "followed"), [("y", True), ("n", False)])
def test_a_person_is_asked_once(
    treadle: Treadle, project: Path, answers: Server, said: str, followed: bool
) -> None:
    ran = treadle("Hello", typed=f"{said}\n")
    assert "would tell the agent what to do:\n  AGENTS.md\n  .agents/skills/taxes\n" in ran.err
    again = treadle("Hello")
    for number, each in enumerate((ran, again)):
        assert ("Speak French." in system(answers, number)) is followed
        assert ("- taxes: " in system(answers, number)) is followed
        assert "not followed" not in each.err
    assert "would tell" not in again.err


def test_skills_of_an_option_are_the_user_s_own_choice(
    treadle: Treadle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: Server
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "mine", "taxes")
    (tmp_path / "mine" / "bad").mkdir()
    (tmp_path / "mine" / "bad" / "SKILL.md").write_text("# No fields")
    ran = treadle("Hello", "--skills", "mine", "--tools", "none")
    assert ran.err.splitlines()[0] == "skills: taxes"
    assert "the skill mine/bad is left out: " in ran.err
    assert tools(answers, 0) == ["read_skill"]
    assert treadle("Hello", "--skills", "nowhere").code == 2


def test_the_user_s_own_skills_need_no_trust_but_nobody_else_may_write_them(
    treadle: Treadle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: Server
) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home" / ".agents" / "skills"
    write(home, "taxes")
    write(home, "open").chmod(0o777)
    (home / "away").symlink_to(write(tmp_path, "away"))
    ran = treadle("Hello")
    assert "skills: taxes\n" in ran.err
    assert "open is not read: its folder can be written by every user" in ran.err
    assert "away is a link out of its place" in ran.err
    assert "taxes" not in treadle("Hello", "--no-project").err
    assert "taxes" not in system(answers, 1)


def test_a_link_out_of_a_trusted_project_is_not_read(
    treadle: Treadle, project: Path, answers: Server
) -> None:
    outside = write(project.parent / "outside", "far")
    (project / ".agents" / "skills" / "far").symlink_to(outside)
    treadle("trust")
    ran = treadle("Hello")
    assert "far is a link out of its place" in ran.err
    assert "- far" not in system(answers, 0)


def test_the_repository_around_a_mistyped_folder_is_not_trusted(
    treadle: Treadle, project: Path
) -> None:
    ran = treadle("trust", "nosuch/folder")
    assert (ran.code, ran.err) == (2, "error: 'nosuch/folder' is no folder\n")
    assert not Path(os.environ["TREADLE_TRUSTED_PROJECTS"]).exists()


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() == 0, reason="root may read all folders"
)
def test_a_folder_that_cannot_be_read_is_told_and_stops_nothing(
    treadle: Treadle, project: Path, answers: Server
) -> None:
    treadle("trust")
    place = project / ".claude" / "skills"
    place.chmod(0)
    ran = treadle("Hello")
    place.chmod(0o755)
    assert "taxes" in system(answers, 0)
    assert f"the skill {place} can't be read" in ran.err


@pytest.mark.parametrize("words", [["Hello"], ["trust"]])
def test_a_working_directory_that_was_deleted_is_named(
    treadle: Treadle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        ran = treadle(*words)
    finally:
        os.chdir(tmp_path)
    assert ran.err == "error: the working directory was deleted; change to another one\n"
