import pytest

from treadle import Rule, Tool, tool
from treadle.observe.label_hints import find_hints, find_rule_hints


def made(name, *arguments, labels=()):
    schema = {"type": "object", "properties": {each: {"type": "string"} for each in arguments}}
    return Tool(name, "", schema, lambda: "", dict, labels=labels)


@pytest.mark.parametrize(
    ("made_tool", "words"),
    [
        (made("send_mail", "to"), ["outward: its name begins with 'send'"]),
        (made("sendMail"), ["outward: its name begins with 'send'"]),
        (
            made("fetch_page", "url"),
            ["outward: its name begins with 'fetch'", "strangers: its name says 'page'"],
        ),
        (made("summary_of", "url"), ["outward: it takes 'url'"]),
        (
            made("read_mail"),
            ["strangers: its name says 'mail'", "private data: its name says 'mail'"],
        ),
        (made("get_user"), ["private data: its name says 'user'"]),
        (made("add_user", "name"), ["outward: its name begins with 'add'"]),
        (made("read_mail", labels=("untrusted", "private")), []),
        (made("send_mail", "to", labels=("outward",)), []),
        (made("add", "a", "b"), []),
        (made("stock", "item"), []),
        (made("weather", "city"), []),
        (Tool("ask_user", "", {"type": "object"}), []),
    ],
)
def test_names_and_arguments_say_what_labels_do_not(made_tool, words):
    hints = find_hints(made_tool)
    assert len(hints) == len(words)
    assert all(word in hint for word, hint in zip(words, hints, strict=True))


@tool(labels=("outward",))
def send_mail(to: str, text: str, bcc: str = "") -> str:
    """Send."""
    return "sent"


def test_a_rule_that_leaves_a_destination_open_or_names_none_that_is_there():
    ours = "*@ours.example"
    assert find_rule_hints([Rule("send_*", "allow", arguments={"to": ours})], [send_mail]) == [
        "the rule for 'send_*' leaves 'bcc' of send_mail open"
    ]
    assert find_rule_hints([Rule("send_*", "allow", arguments={"too": ours})], [send_mail]) == [
        "the rule for 'send_*' lists nothing: send_mail has no 'too'"
    ]
    listed = Rule("send_*", "allow", arguments={"to": ours, "bcc": ours})
    assert find_rule_hints([listed, Rule("*", "ask")], [send_mail]) == []
