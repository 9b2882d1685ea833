"""What a tool's name and arguments say of it that its labels don't. Pure.

These are guesses, by English words: a warning for the person who labels the tools, and no rule.
"""

import re
from collections.abc import Collection, Iterable

from ..core.approvals import Rule
from ..core.tool import Tool

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_GOES_OUT = frozenset(
    (
        *("send", "post", "mail", "email", "reply", "forward", "notify", "message", "tweet"),
        *("upload", "publish", "share", "submit", "push", "invite", "fetch", "browse", "download"),
        *("pay", "transfer", "buy", "order", "book", "reserve", "schedule", "reschedule", "cancel"),
    )
)
"""First words of tools that may act on the world outside."""
_CHANGES = frozenset(
    ("add", "update", "change", "delete", "remove", "create", "set", "open", "call")
)
"""As above, if another word says what: `add_user` may, `add` is a sum."""
_DESTINATIONS = frozenset(
    (
        *("url", "uri", "href", "webhook", "endpoint", "recipient", "recipients", "to", "cc"),
        *("bcc", "participants", "payee", "iban"),
    )
)
"""Arguments that say where something goes."""
_BY_STRANGERS = frozenset(
    (
        *("mail", "mails", "email", "emails", "inbox", "message", "messages", "chat", "channel"),
        *("web", "page", "webpage", "site", "url", "feed", "post", "posts", "comment", "comments"),
        *("review", "reviews", "issue", "issues", "ticket", "tickets", "event", "events", "file"),
        *("files", "document", "documents", "attachment", "transactions", "pull", "wiki"),
    )
)
"""What others write."""
_OWN = frozenset(
    (
        *("mail", "mails", "email", "emails", "inbox", "contact", "contacts", "calendar", "events"),
        *("file", "files", "document", "documents", "account", "balance", "iban", "transactions"),
        *("user", "customer", "customers", "patient", "payment", "payments", "salary", "password"),
    )
)
"""What isn't for everybody."""


def find_hints(tool: Tool) -> list[str]:
    """Why this tool may need a label that it hasn't: a sentence for each."""
    if tool.function is None or tool.child:
        return []
    words = [word.lower() for word in _WORD.findall(tool.name)]
    arguments = tool.parameters.get("properties", ())
    hints: list[str] = []
    if "outward" not in tool.labels:
        hints += _find_outward(words, arguments)
    if "untrusted" not in tool.labels and _gives(words):
        hints += _say("its results may be text of strangers", words, _BY_STRANGERS)
    if "private" not in tool.labels and _gives(words):
        hints += _say("it may reach private data", words, _OWN)
    return hints


def find_rule_hints(rules: Iterable[Rule], tools: Iterable[Tool]) -> list[str]:
    """Which rules that list arguments list nothing, or leave a destination open."""
    hints: list[str] = []
    listing = [rule for rule in rules if rule.arguments]
    for tool in tools:
        arguments = tool.parameters.get("properties", ())
        places = [name for name in arguments if name.lower() in _DESTINATIONS]
        for rule in listing:
            if not rule.matches(tool):
                continue
            what = f"the rule for {rule.tools!r}"
            missing = [name for name in rule.arguments if name not in arguments]
            hints += [f"{what} lists nothing: {tool.name} has no {name!r}" for name in missing]
            left = [name for name in places if name not in rule.arguments and not missing]
            hints += [f"{what} leaves {name!r} of {tool.name} open" for name in left]
    return hints


def _find_outward(words: list[str], arguments: Collection[str]) -> list[str]:
    if words and (words[0] in _GOES_OUT or (words[0] in _CHANGES and words[1:])):
        return [f"it may act outward: its name begins with {words[0]!r}"]
    taken = [name for name in arguments if name.lower() in _DESTINATIONS]
    return [f"it may act outward: it takes {name!r}" for name in taken[:1]]


def _gives(words: list[str]) -> bool:
    """Whether it is made to look at something, and not to change it."""
    return bool(words) and words[0] not in _GOES_OUT - {"fetch", "browse", "download"} | _CHANGES


def _say(what: str, words: Iterable[str], of: Collection[str]) -> list[str]:
    found = [word for word in words if word in of]
    return [f"{what}: its name says {word!r}" for word in found[:1]]
