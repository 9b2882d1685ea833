import asyncio
import json
import sys
import types

import pytest

from served import onward, page, served
from treadle.core.errors import ToolError, ToolRetry
from treadle.tools.web_search import (
    Hit,
    brave,
    choose_engine,
    format_hits,
    keyless,
    search_tool,
    searxng,
    serpapi,
    tavily,
    web_search,
)

TAVILY = {
    "results": [
        {"title": "Loom", "url": "https://a.example/", "content": "A machine.", "score": 0.9}
    ]
}
SERPAPI = {
    "search_metadata": {"status": "Success"},
    "organic_results": [
        {"position": 1, "title": "Loom", "link": "https://a.example/", "snippet": "A machine."}
    ],
}
BRAVE = {
    "web": {
        "results": [
            {"title": "Loom", "url": "https://a.example/", "description": "A &quot;machine&quot;."}
        ]
    }
}
SEARXNG = {
    "results": [
        {"title": "Loom", "url": "https://a.example/", "content": "A machine."},
        {"title": "no url"},
    ]
}


def ask(make, path, answer, count=5):
    """What an engine gives for a server's answer, and the requests that the server saw."""

    async def go():
        async with served({path: answer}) as server:
            try:
                found = await make(f"http://127.0.0.1:{server.port}")("what is a loom", count)
            except ToolError as error:
                found = error
            return found, server.requests

    return asyncio.run(go())


def as_json(value, status="200 OK"):
    return page(json.dumps(value), "application/json", status=status)


def test_tavily_is_asked_with_the_key_in_a_header():
    found, [(_, headers, body)] = ask(
        lambda url: tavily("tvly-secret", url), "/search", as_json(TAVILY), 3
    )
    assert found == [Hit("Loom", "https://a.example/", "A machine.")]
    assert headers["authorization"] == "Bearer tvly-secret"
    assert json.loads(body) == {"query": "what is a loom", "max_results": 3}


def test_brave_is_asked_with_the_key_in_a_header():
    found, [(target, headers, _)] = ask(
        lambda url: brave("b-secret", url), "/res/v1/web/search", as_json(BRAVE), 3
    )
    assert found == [Hit("Loom", "https://a.example/", "A &quot;machine&quot;.")]
    assert headers["x-subscription-token"] == "b-secret"
    assert "q=what+is+a+loom&count=3" in target
    assert "secret" not in target


def test_brave_leaves_out_what_it_has_not_found():
    found, _ = ask(lambda url: brave("k", url), "/res/v1/web/search", as_json({"type": "search"}))
    assert found == []


def test_serpapi_is_asked_with_the_key_in_the_address_alone(caplog):
    caplog.set_level("DEBUG")
    found, [(target, _, _)] = ask(
        lambda url: serpapi("serp-secret-1", url), "/search", as_json(SERPAPI), 3
    )
    assert found == [Hit("Loom", "https://a.example/", "A machine.")]
    assert "engine=google&q=what+is+a+loom&num=3" in target
    assert "api_key=serp-secret-1" in target
    assert "HTTP Request: GET" in caplog.text
    for record in caplog.records:
        if record.name.startswith("httpx"):
            assert "serp-secret-1" not in record.getMessage()


@pytest.mark.parametrize("engine", [serpapi, brave, tavily])
def test_a_key_that_a_server_sends_back_is_in_no_log(engine, caplog):
    """In a redirect's address, say, which the HTTP library logs at DEBUG with all headers."""
    caplog.set_level("DEBUG")
    key = "plain words of a key"
    path = "/res/v1/web/search" if engine is brave else "/search"
    answer = onward(f"http://127.0.0.1:1/{key}")
    found, _ = ask(lambda url: engine(key, url), path, answer)
    assert "status 302" in str(found)
    assert "receive_response_headers" in caplog.text
    assert "127.0.0.1:1/[redacted]" in caplog.text
    assert key not in caplog.text


def test_serpapi_leaves_out_what_google_has_not_found():
    empty = {
        "search_metadata": {"status": "Success"},
        "error": "Google hasn't returned any results",
    }
    found, _ = ask(lambda url: serpapi("k", url), "/search", as_json(empty))
    assert found == []


def test_searxng_is_asked_for_json_below_its_address():
    found, [(target, _, _)] = ask(lambda url: searxng(url + "/sx/"), "/sx/search", as_json(SEARXNG))
    assert found == [Hit("Loom", "https://a.example/", "A machine.")]
    assert target == "/sx/search?q=what+is+a+loom&format=json"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (as_json({}, "401 Unauthorized"), ToolError, "the key is not accepted"),
        (as_json({}, "429 Too Many"), ToolRetry, "failed with 429"),
        (as_json({}, "503 Busy"), ToolRetry, "failed with 503"),
        (as_json({}, "400 Bad"), ToolError, "no usable answer"),
        (as_json([1]), ToolError, "no usable answer"),
        (as_json({}), ToolError, "without results"),
        (as_json({"results": {}}), ToolError, "without results"),
        (page("<html>Log in</html>"), ToolError, "no usable answer"),
        (
            page(b'{"results": "' + b"x" * 2_100_000 + b'"}', "application/json"),
            ToolError,
            "more than 2,000,000 bytes",
        ),
        (b"nonsense\r\n\r\n", ToolError, "can't be reached"),
    ],
)
def test_a_failing_engine_is_told_with_what_to_do_instead_and_never_the_key(answer, kind, words):
    found, _ = ask(lambda url: tavily("tvly-secret", url), "/search", answer)
    assert type(found) is kind
    assert words in str(found)
    assert "answer from what you know and say that you couldn't check, or use search_docs" in str(
        found
    )
    assert "secret" not in str(found)


def test_a_searxng_without_its_json_format_is_told():
    found, _ = ask(searxng, "/search", page("", status="403 Forbidden"))
    assert "don't allow format=json" in str(found)


def test_an_address_that_nobody_answers_is_told_without_the_password_in_it():
    with pytest.raises(ToolError, match=r"can't be reached from here .*SearXNG") as raised:
        asyncio.run(searxng("http://me:secret@127.0.0.1:1")("q", 5))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("key", ["tvly-secret\nX: y", "tvly-secret\u00e9", "tvly-secret\0"])
def test_a_key_that_can_t_be_sent_is_not_quoted(key):
    found, _ = ask(lambda url: tavily(key, url), "/search", as_json(TAVILY))
    assert "can't be reached from here (Tavily: " in str(found)
    assert "secret" not in str(found)


@pytest.mark.parametrize("url", ["not a url", "http://[", "ftp://x"])
def test_an_address_that_is_none_is_told(url):
    with pytest.raises(ToolError, match="can't be reached"):
        asyncio.run(searxng(url)("q", 5))


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({}, keyless),
        ({"SEARXNG_URL": "http://x"}, searxng),
        ({"SEARXNG_URL": "http://x", "SERPAPI_API_KEY": "s"}, serpapi),
        ({"SERPAPI_API_KEY": "s", "BRAVE_API_KEY": "b"}, brave),
        ({"SEARXNG_URL": "http://x", "BRAVE_API_KEY": "b", "TAVILY_API_KEY": "t"}, tavily),
        ({"TAVILY_API_KEY": ""}, keyless),
    ],
)
def test_the_engine_is_the_first_that_is_set_up(environ, chosen):
    assert choose_engine(environ).__qualname__.startswith(chosen.__name__ + ".")


def test_the_keyless_engine_without_a_network_fails_at_once(monkeypatch):
    monkeypatch.setenv("DDGS_PROXY", "http://127.0.0.1:1")  # so that its every request ends there
    with pytest.raises(
        ToolError, match=r"web search can't be reached from here \(.+\); answer from what you know"
    ):
        asyncio.run(keyless()("what is a loom", 5))


def test_the_keyless_engine_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ddgs", None)
    with pytest.raises(ToolError, match=r"pip install 'treadle\[web\]'"):
        asyncio.run(keyless()("q", 5))


@pytest.mark.parametrize(
    ("behaves", "gives"),
    [
        (
            lambda errors: [{"title": "T", "href": "https://a.example/", "body": "B"}],
            "[Hit(title='T', url=",
        ),
        (lambda errors: raised(errors.DDGSException("No results found.")), "[]"),
        (lambda errors: raised(errors.RatelimitException("202")), "ToolRetry"),
        (lambda errors: raised(errors.TimeoutException("timed out")), "(timed out)"),
    ],
)
def test_what_the_metasearch_library_gives_or_raises_is_translated(monkeypatch, behaves, gives):
    import ddgs.exceptions

    class DDGS:
        def __init__(self, timeout):
            assert timeout <= 5

        def text(self, query, max_results):
            assert (query, max_results) == ("q", 4)
            return behaves(ddgs.exceptions)

    stand_in = types.ModuleType("ddgs")
    stand_in.DDGS = DDGS
    monkeypatch.setitem(sys.modules, "ddgs", stand_in)
    monkeypatch.setitem(sys.modules, "ddgs.exceptions", ddgs.exceptions)
    try:
        found = repr(asyncio.run(keyless()("q", 4)))
    except ToolError as error:
        found = f"{type(error).__name__} {error}"
    assert gives in found


def raised(error):
    raise error


def test_results_are_numbered_and_each_on_three_short_lines():
    hits = [Hit("A\n &amp; B", "https://a.example/", "x" * 1000), Hit("", "https://b.example/", "")]
    lines = format_hits("q", hits).split("\n")
    assert lines[:2] == ["1. A & B", "   https://a.example/"]
    assert lines[2] == "   " + "x" * 599 + "…"
    assert lines[3:] == ["2. (no title)", "   https://b.example/", "   "]


def test_no_results_is_an_answer_and_not_an_error():
    assert format_hits("zyx", []) == "No results for 'zyx'; try fewer or other words."


@pytest.mark.parametrize(("asked", "count"), [(5, 5), (0, 1), (-3, 1), (1000, 20)])
def test_the_number_of_results_is_kept_in_bounds_and_kept_to(asked, count):
    seen = []

    async def engine(query, count):
        seen.append((query, count))
        return [Hit("T", f"https://a.example/{number}", "") for number in range(count + 3)]

    tool = search_tool(engine)
    text = asyncio.run(
        tool.function(**tool.arguments_of(json.dumps({"query": " loom ", "max_results": asked})))
    )
    assert seen == [("loom", count)]
    assert f"{count}. T" in text
    assert f"{count + 1}. T" not in text


def test_an_empty_query_is_told():
    with pytest.raises(ToolError, match="the query is empty"):
        asyncio.run(web_search.function(query="  "))


def test_the_shipped_tool_may_run_twice_and_is_described():
    assert (web_search.name, web_search.read_only, web_search.retries) == ("web_search", True, 1)
    assert web_search.parameters["required"] == ["query"]
