import pytest

from treadle import Rule, tool
from treadle.approvals import Verdict, verdict


def made(**settings):
    @tool(**settings)
    def write_file(path: str) -> str:
        return path

    return write_file


@pytest.mark.parametrize(
    ("rules", "settings", "action"),
    [
        ([], {}, "allow"),
        ([], {"needs_approval": True}, "ask"),
        ([], {"needs_approval": lambda arguments: arguments["path"] == "/etc"}, "ask"),
        ([], {"needs_approval": lambda arguments: arguments["path"] == "x"}, "allow"),
        ([Rule("write_*", "deny")], {}, "deny"),
        ([Rule("WRITE_*", "deny")], {}, "allow"),
        ([Rule("read_*", "deny")], {}, "allow"),
        ([Rule("*", "allow"), Rule("*", "deny")], {"needs_approval": True}, "allow"),
        ([Rule("*", "ask", read_only=False)], {"read_only": True}, "allow"),
        ([Rule("*", "ask", read_only=False)], {}, "ask"),
        ([Rule("*", "ask", read_only=True)], {"read_only": True}, "ask"),
    ],
)
def test_the_first_rule_that_matches_decides_else_the_tool(rules, settings, action):
    assert verdict(rules, made(**settings), {"path": "/etc"}, frozenset()).action == action


def test_always_turns_an_ask_into_an_allow_but_never_a_deny():
    always = frozenset({"write_file"})
    assert verdict([Rule("*", "ask")], made(), {"path": "x"}, always).action == "allow"
    assert verdict([Rule("*", "deny", "no")], made(), {"path": "x"}, always) == Verdict("deny", "no")
    assert verdict([Rule("*", "ask")], made(), {"path": "x"}, frozenset({"other"})).action == "ask"
