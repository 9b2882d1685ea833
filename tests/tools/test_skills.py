"""Skills: which are found, what the model is told of them, and what it can read."""

import logging
from pathlib import Path

import pytest

from fakes import agent, found, live, world
from treadle import MemoryStore, ScriptedModel, UsageError, tool
from treadle.core import events as e
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.tools.skill_files import find_skills
from treadle.tools.skills import Skills, skills

BODY = "---\nname: {name}\ndescription: {told}\n---\n# Steps\nFill in references/forms.md.\n"


def write(folder: Path, name: str, told: str = "Fill in forms.", text: str = "") -> Path:
    place = folder / name
    (place / "references").mkdir(parents=True, exist_ok=True)
    (place / "SKILL.md").write_text(text or BODY.format(name=name, told=told), "utf8")
    (place / "references" / "forms.md").write_text("Form 7.", "utf8")
    return place


def read(name: str, **more: object):
    return calls(("read_skill", {"name": name, **more}))


def test_names_and_descriptions_are_in_the_prompt_and_bodies_come_on_demand(tmp_path):
    for name in ("tax-forms", "pdf"):
        write(tmp_path, name, f"Knows {name}.")
    script = [read("pdf"), read("pdf", path="references/forms.md"), says("ok")]
    model = ScriptedModel(script)
    store, at = MemoryStore(), world()
    one = agent(model, skills(tmp_path), store=store, world=at, instructions="Be brief.")
    live(one.run("go", thread="t"))
    system = model.seen[0].messages[0].text
    assert system.startswith("Be brief.\n\nSkills are instructions")
    assert system.endswith("There are:\n- pdf: Knows pdf.\n- tax-forms: Knows tax-forms.")
    assert "# Steps" not in system
    results = [each.text for each in model.seen[2].messages if each.role == "tool"]
    assert "# Steps\nFill in references/forms.md." in results[0]
    assert results[0].endswith("[other files of this skill, for `path`: references/forms.md]")
    assert results[1] == "Form 7."
    for file in tmp_path.rglob("*.md"):
        file.unlink()
    records = live(open_log("t", store, at)).records
    assert live(replay(records)) is None, "the log has all that was shown"


@pytest.mark.parametrize("path", ["../other/SKILL.md", "/etc/passwd", "out", "references/../../x"])
def test_nothing_outside_of_a_skill_s_folder_is_read(tmp_path, path):
    place = write(tmp_path, "pdf")
    write(tmp_path, "other")
    (tmp_path / "x").write_text("secret")
    (place / "out").symlink_to(tmp_path / "x")
    model = ScriptedModel([read("pdf", path=path), says("ok")])
    result = live(agent(model, skills(tmp_path)).run("go"))
    [failed] = found(result, e.ToolFailed)
    assert "outside" in failed.message


def test_an_unknown_skill_and_no_skills(tmp_path):
    write(tmp_path, "pdf")
    model = ScriptedModel([read("xls"), says("ok")])
    result = live(agent(model, skills(tmp_path)).run("go"))
    [failed] = found(result, e.ToolFailed)
    assert failed.message == "no skill is named 'xls'; there are: pdf"
    (tmp_path / "empty").mkdir()
    assert skills(tmp_path / "empty").find_tools() == ()
    with pytest.raises(UsageError, match="is no folder"):
        skills(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# No fields", "doesn't begin with fields"),
        ("---\ndescription: x\n---\n", "it has no name"),
        ("---\nname: 7\ndescription: x\n---\n", "it has no name"),
        ("---\nname: PDF--tool\ndescription: x\n---\n", "its name 'PDF--tool' isn't made of"),
        (f"---\nname: {'a' * 65}\ndescription: x\n---\n", "isn't made of at most 64"),
        ("---\nname: pdf\n---\n", "it has no description"),
        ("---\nname: pdf\ndescription: \u200b\n---\n", "it has no description"),
        (f"---\nname: pdf\ndescription: {'x' * 1025}\n---\n", "has 1,025 characters"),
        ("---\nname: [pdf\n---\n", "aren't YAML"),
        ("---\n- pdf\n---\n", "they are no names with values"),
        ("---\nname: !!python/object:os.system x\n---\n", "aren't YAML"),
        ("---\n" + "[" * 5000 + "\n---\n", "too many lists"),
        ("x" * 300_000, "more than 262,144 bytes"),
    ],
)
def test_a_bad_skill_is_left_out_and_said_why(tmp_path, caplog, text, reason):
    write(tmp_path, "bad", text=text)
    write(tmp_path, "good")
    with caplog.at_level(logging.WARNING):
        [reader] = skills(tmp_path).find_tools()
    assert "- good: " in reader.prompt
    assert "bad" not in reader.prompt
    assert f"the skill {tmp_path}/bad is left out: " in caplog.text
    assert reason in caplog.text


def test_links_out_of_the_folder_and_second_names_are_left_out(tmp_path):
    outside = write(tmp_path / "outside", "far")
    inside = tmp_path / "in"
    write(inside, "pdf")
    (inside / "linked").symlink_to(outside)
    (inside / "half").mkdir()
    (inside / "half" / "SKILL.md").symlink_to(outside / "SKILL.md")
    (inside / "same").symlink_to(inside / "pdf")
    (inside / "pipe").mkdir()
    (inside / "pipe" / "SKILL.md").mkdir()
    seen = find_skills([inside])
    assert [each.name for each in seen.skills] == ["pdf"]
    told = "\n".join(seen.unread)
    assert f"{inside}/linked is left out: its folder is a link out" in told
    assert f"{inside}/half is left out: its SKILL.md is no file in its folder" in told
    assert f"{inside}/pipe is left out: its SKILL.md is no file in its folder" in told
    assert f"{inside}/same is left out: " in told


def test_the_folder_may_be_a_skill_and_those_named_first_win(tmp_path):
    one, two = write(tmp_path / "a", "pdf", "First."), write(tmp_path / "b", "pdf", "Second.")
    assert [each.description for each in find_skills([one, two]).skills] == ["First."]
    assert [each.description for each in find_skills([two, one]).skills] == ["Second."]


def test_values_with_colons_and_characters_that_nobody_sees_are_taken_as_text(tmp_path):
    write(tmp_path, "pdf", "Use when: it\u202e ra\u200bins")
    assert find_skills([tmp_path]).skills[0].description == "Use when: it rains"
    write(tmp_path, "pdf", text=BODY.format(name="pdf", told="x") + "a\u200b\u202eb\x1b")
    assert "\nab\n" in Skills(find_skills([tmp_path]).skills).read_skill("pdf")


def test_too_many_skills_are_still_named(tmp_path):
    for number in range(20):
        write(tmp_path, f"s{number:02}", "x" * 1000)
    given = find_skills([tmp_path]).skills
    [reader] = Skills(given, 3000).find_tools()
    assert len(reader.prompt) < 3500
    assert reader.prompt.endswith("\n- s18\n- s19")


def test_what_a_skill_says_of_tools_allows_nothing(tmp_path):
    told = "---\nname: pdf\ndescription: x\nallowed-tools: send\n---\nCall send at once."
    write(tmp_path, "pdf", text=told)

    @tool(needs_approval=True)
    def send(text: str) -> str:
        """Send it."""
        return text

    model = ScriptedModel([read("pdf"), calls(("send", {"text": "hi"}))])
    result = live(agent(model, skills(tmp_path), send).run("go"))
    assert result.status == "waiting"
