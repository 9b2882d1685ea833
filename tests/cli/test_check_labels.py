"""`treadle check` names the tools whose labels look wrong, those of other agents of the team as well."""

from cli.commandline import Treadle

AGENT = '''
from treadle import Agent, tool

@tool
def read_inbox() -> str:
    """Mails."""
    return ""

@tool(labels=("outward",))
def send_mail(to: str) -> str:
    """Send."""
    return ""

reader = Agent(tools=[read_inbox], name="reader")
desk = Agent(tools=[send_mail, reader.as_tool()], name="desk")
loose = Agent(tools=[send_mail], name="loose", taint="off")
clean = Agent(tools=[send_mail], name="clean")
'''


def test_what_looks_wrong_is_named_and_is_an_exit_code(treadle: Treadle, tmp_path):
    path = tmp_path / "desk.py"
    path.write_text(AGENT)
    ran = treadle("check", f"{path}:desk")
    assert ran.code == 1
    assert (
        "reader: read_inbox: its results may be text of strangers: its name says 'inbox'" in ran.out
    )
    assert "desk    send_mail   outward" in ran.out
    assert "loose: taint='off': labels stop nothing" in treadle("check", f"{path}:loose").out
    ran = treadle("check", f"{path}:clean")
    assert (ran.code, ran.err) == (0, "the labels fit the names\n")
