"""The commands: under which heading the help names each, where it is, and which words it takes.

Imports nothing slow: this is looked at before it is known whether the words are a command.
"""

from typing import NamedTuple

ANY = 1000


class Entry(NamedTuple):
    """One command."""

    panel: str
    place: str = ""
    """Its function, as "module.name" in this package; "" where `commands` makes it."""
    words: int = 2
    """The most words that it takes without options, its name too; more are a question."""
    threads: int = 0
    """How many words after its name are names of threads."""


COMMANDS = {
    "threads": Entry("Look at threads", "listing.threads", words=1),
    "due": Entry("Look at threads", "due.due", words=1),
    "show": Entry("Look at threads", "show.show", threads=1),
    "tail": Entry("Look at threads", "show.tail", threads=1),
    "explain": Entry("Look at threads", "reports.explain", threads=1),
    "diff": Entry("Look at threads", "reports.diff", words=3, threads=2),
    "replay": Entry("Look at threads", "reports.replay", threads=1),
    "save-test": Entry("Look at threads", "save_test.save_test", threads=1),
    "summary": Entry("Add up", "show_summary.summary", threads=1),
    "costs": Entry("Add up", "costs.costs", threads=1),
    "stats": Entry("Add up", "show_stats.stats", threads=1),
    "cache": Entry("Add up", "show_cache.cache", threads=1),
    "export-traces": Entry("Add up", "traces.export_traces", threads=1),
    "approve": Entry("Decide", "decisions.approve", words=3, threads=1),
    "revoke": Entry("Decide", "permissions.revoke", words=3, threads=1),
    "answer": Entry("Decide", "decisions.answer", words=3, threads=1),
    "settle": Entry("Decide", "settle.settle", words=3, threads=1),
    "limit": Entry("Decide", "limit.limit", threads=1),
    "adopt": Entry("Decide", "decisions.adopt", threads=1),
    "cancel": Entry("Decide", "decisions.cancel", threads=1),
    "resume": Entry("Go on", "resume.resume", threads=1),
    "steer": Entry("Go on", "steer.steer", words=3, threads=1),
    "submit": Entry("Go on", "submit.submit"),
    "fork": Entry("Go on", "fork.fork", threads=1),
    "delete": Entry("Clean up", "delete_threads.delete", words=ANY, threads=ANY),
    "eval": Entry("Evaluate", "evaluation.evaluate"),
    "rate": Entry("Evaluate", "rate.rate", threads=1),
    "save-cases": Entry("Evaluate", "save_cases.save_cases"),
    "serve": Entry("Serve", "serve.serve", words=ANY),
    "worker": Entry("Serve", "worker.work", words=ANY),
    "queue": Entry("Serve", "queue.queue", words=ANY),
    "mcp": Entry("Serve", "mcp_serve.serve"),
    "acp": Entry("Serve", "editor.editor"),
    "init": Entry("Set up", "init.init"),
    "check": Entry("Set up", "check_labels.check"),
    "trust": Entry("Set up", "trust_command.trust"),
    "mcp-allow": Entry("Set up", "mcp_servers.allow"),
    "mcp-login": Entry("Set up", "mcp_servers.login"),
    "models": Entry("Set up", words=ANY),
    "tools": Entry("Set up", words=1),
    "notes": Entry("Set up", words=3),
    "db": Entry("Set up", words=ANY),
}
"""By name, in the order of the help."""
