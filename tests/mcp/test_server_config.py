"""How servers are named: command lines, URLs, and the mcp.json of other clients."""

import pytest

pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")

from treadle import UsageError
from treadle.mcp import mcp
from treadle.mcp.server_config import fill_in, read_config, read_server


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("python -m mcp_server_time --local-timezone UTC", "time"),
        ("uvx mcp-server-git", "git"),
        ("npx -y @modelcontextprotocol/server-everything", "everything"),
        ("npx -y @modelcontextprotocol/server-filesystem@2026.8.31 /tmp/x", "filesystem"),
        ("/usr/bin/python3.12 tools/lamps.py", "lamps"),
        ("my-mcp-server", "my"),
        ("https://mcp.example.com/mcp", "example"),
        ("http://127.0.0.1:8000/mcp", "127_0_0_1"),
    ],
)
def test_a_server_has_a_name_of_what_it_is(text, name):
    assert read_server(text).name == name


def test_the_line_is_exact_and_shows_no_password():
    assert read_server("python -m 'a b'").line == "python -m 'a b'"
    assert read_server("https://me:hush@example.com/mcp").line == "https://example.com/mcp"
    assert "hush" not in repr(
        read_config('{"servers": {"a": {"url": "http://a/", "headers": {"X": "hush"}}}}', "f")
    )


def test_an_mcp_json_is_read_as_other_clients_write_it():
    told = """{"mcpServers": {
        "a": {"command": "npx", "args": ["-y", "x"], "env": {"KEY": "${KEY}"}, "alwaysAllow": ["y"]},
        "b": {"type": "http", "url": "https://b.example/mcp", "headers": {"Authorization": "Bearer ${TOKEN:-none}"}},
        "off": {"command": "x", "disabled": true}}}"""
    a, b = read_config(told, "mcp.json")
    assert (a.name, a.command, a.env) == ("a", ("npx", "-y", "x"), (("KEY", "${KEY}"),))
    assert (b.url, b.headers) == (
        "https://b.example/mcp",
        (("Authorization", "Bearer ${TOKEN:-none}"),),
    )


def test_variables_are_filled_in_when_a_server_starts_and_a_missing_one_is_named():
    assert fill_in("${A}-${B:-b}", {"A": "1"}, "x") == "1-b"
    with pytest.raises(UsageError, match="x needs the variable A"):
        fill_in("${A}", {}, "x")


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("{", "is no JSON"),
        ("[]", "names no servers"),
        ('{"mcpServers": {"a": {}}}', "one of command and url"),
        ('{"mcpServers": {"a": {"command": "x", "url": "http://a"}}}', "one of command and url"),
        ('{"mcpServers": {"a": {"command": 7}}}', "server 'a'"),
        ('{"mcpServers": {"a": {"type": "sse", "url": "http://a"}}}', "sse is gone"),
        ('{"mcpServers": {"a": {"url": "file:///x"}}}', "no http address"),
        ('{"mcpServers": {"--": {"command": "x"}}}', "needs a name"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(told, why):
    with pytest.raises(UsageError, match=why):
        read_config(told, "mcp.json")


@pytest.mark.parametrize("wrong", ["", "  ", "python 'x", "no-such-file.json", 7])
def test_what_names_no_server_is_refused_where_it_is_written(wrong):
    with pytest.raises(UsageError):
        mcp(wrong)
