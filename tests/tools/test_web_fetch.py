import asyncio
import gzip
import importlib
import json
import time
import zlib

import pytest

from served import onward, page, served, way
from treadle import Agent, Context, Rule, ScriptedModel, UserSaid, tool
from treadle.core.errors import ToolError
from treadle.models.scripted import calls, says
from treadle.tools.web_fetch import (
    FetchLimits,
    fetch_page,
    web_fetch,
)

module = importlib.import_module("treadle.tools.web_fetch")  # the package has the tool by this name

ARTICLE = """<!doctype html><html><head><title>Looms &amp; lathes</title>
<style>p {color: red}</style></head><body>
<nav><a href="/home">Home</a> <a href="/shop">Shop</a></nav>
<article><h1>Looms</h1><p>A treadle turns the <a href="/wheel">wheel</a> of a loom, and the
foot keeps it going all day long without a pause; nobody has found a simpler way of doing so.</p>
<table><tr><th>Part</th><th>Weight</th></tr><tr><td>Beam</td><td>12 kg</td></tr></table>
<p>The second paragraph says more about looms, so that there is something to read on this
page.</p></article>
<script>alert("no")</script><footer>Imprint</footer></body></html>"""


def get(answers, path="/", page_number=1, names=None, asked=None, may_follow=bool, **limits):
    """What the model is told, and the paths that the server was asked for."""

    async def go():
        async with served(answers) as server:
            # A redirect can't know the port before the server runs.
            for key, answer in answers.items():
                if isinstance(answer, bytes):
                    answers[key] = answer.replace(b"PORT", str(server.port).encode())
            url = f"http://a.example:{server.port}{path}"
            try:
                told = await fetch_page(
                    url, page_number, way(names, asked), FetchLimits(**limits), may_follow
                )
            except ToolError as error:
                told = error
            return told, server.paths

    return asyncio.run(go())


@pytest.mark.slow
def test_the_main_part_of_a_page_comes_as_markdown_with_links_and_tables():
    told, _ = get({"/": page(ARTICLE)})
    assert told.startswith("Looms & lathes\nhttp://a.example:")
    assert "/wheel)" in told
    assert "| Beam | 12 kg |" in told
    for left_out in ("Shop", "alert", "color"):
        assert left_out not in told


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", '{"a": [1, 2]}'),
        ("application/ld+json; charset=utf-8", '{"a": "é"}'),
        ("text/plain", "plain é <b>not html</b>"),
        ("text/csv", "a,b\n1,2"),
        ("application/rss+xml", "<rss><title>News</title></rss>"),
        ("", "no type at all"),
    ],
)
def test_other_text_comes_as_it_is(kind, body):
    told, _ = get({"/": page(body, kind)})
    assert told.endswith("\n\n" + body)


@pytest.mark.parametrize(
    "kind", ["application/pdf", "image/png", "application/octet-stream", "video/mp4"]
)
def test_what_is_no_text_is_refused_by_its_type(kind):
    told, _ = get({"/": page(b"%PDF", kind)})
    assert f"is of type {kind}; only text" in str(told)


def test_binary_data_that_claims_to_be_text_is_refused():
    told, _ = get({"/": page(b"\x7fELF\0\0\0", "text/plain")})
    assert "is binary data" in str(told)


def test_a_status_that_is_no_success_is_told():
    told, _ = get({"/": page("sorry", status="404 Not Found")})
    assert isinstance(told, ToolError)
    assert "answered 404 Not Found" in str(told)


def test_redirects_are_followed_and_the_final_address_is_named():
    asked = []
    told, paths = get(
        {
            "/": onward("/b"),
            "/b": onward("http://b.example:PORT/c", "308 Permanent"),
            "/c": page("here", "text/plain"),
        },
        asked=asked,
    )
    assert paths == ["/", "/b", "/c"]
    assert asked == ["a.example", "a.example", "b.example"]
    assert told.startswith("http://b.example:")


@pytest.mark.parametrize(
    ("location", "told_why"),
    [
        ("http://inner.example:PORT/secret", "inner.example is not on the public internet"),
        (
            "http://169.254.169.254/latest/meta-data/",
            "169.254.169.254 is not on the public internet",
        ),
        ("//[::ffff:127.0.0.1]:PORT/secret", "not on the public internet"),
        ("file:///etc/passwd", "http:// or https://"),
        ("http://me:pass@a.example:PORT/secret", "user or password"),
        ("http://0x7f.1:PORT/secret", "not a host name"),
    ],
)
def test_a_redirect_to_where_nobody_may_go_is_not_followed(location, told_why):
    answers = {"/": onward(location), "/secret": page("the secret", "text/plain")}
    told, paths = get(answers, names={"inner.example": ["127.0.0.2"]})
    assert isinstance(told, ToolError)
    assert told_why in str(told)
    assert paths == ["/"]


@pytest.mark.parametrize(
    ("location", "goes_on"),
    [
        ("http://b.example:PORT/a", False),
        ("/b", False),
        ("/a?to=b", False),
        ("http://a.example.evil.example:PORT/a", False),
        ("http://www.a.example:PORT/a/", True),
        ("/a/", True),
    ],
)
def test_a_redirect_to_where_rules_may_not_allow_it_is_not_followed(location, goes_on):
    answers = {"/a": onward(location), "/a/": page("here", "text/plain")}
    asked = []
    told, paths = get(answers, "/a", may_follow=asked.append)
    assert paths == (["/a", "/a/"] if goes_on else ["/a"])
    if not goes_on:
        assert f"redirects to {asked[0]}, which this agent's rules don't allow" in str(told)
        assert "fetch that address itself" in str(told)


def test_rules_and_labels_say_where_a_tool_may_be_led():
    led: list[bool] = []

    @tool(labels=("outward",))
    def go(url: str, ctx: Context) -> str:
        led.append(ctx.runs_unasked({"url": "https://b.example/"}))
        return "there"

    held = UserSaid("go", labels=("untrusted", "private"))
    a_only = Rule("go", "allow", arguments={"url": "https://a.example/*"})
    both = Rule("go", "allow", arguments={"url": ("https://a.example/*", "https://b.example/*")})
    look = Rule("go", before=lambda call, context: None)
    asked = [([], "go"), ([a_only, Rule("go", "deny")], "go"), ([look], "go")]
    asked += [([a_only], held), ([both], held)]
    for rules, said in asked:
        script = [calls(("go", {"url": "https://a.example/"})), says("ok")]
        Agent(tools=[go], model=ScriptedModel(script), rules=rules).run_sync(said)
    assert led == [True, False, False, False, True]


def test_a_name_that_is_bound_anew_after_the_check_is_not_asked_again():
    """The second answer would be a private address. The first is checked and dialled."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    async def resolve(host, port):
        return next(answers)

    async def go():
        async with served({"/": page("public", "text/plain")}) as server:
            rebinding = way()
            rebinding = type(rebinding)(resolve, rebinding.allowed, None)
            return await fetch_page(f"http://a.example:{server.port}/", 1, rebinding)

    assert asyncio.run(go()).endswith("public")
    assert next(answers) == ["10.0.0.1"]


def test_redirects_in_a_circle_end():
    told, paths = get({"/": onward("/")}, max_redirects=3)
    assert "redirects more than 3 times" in str(told)
    assert len(paths) == 4


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed_pages_are_read(coding):
    body = gzip.compress(b"packed") if coding == "gzip" else zlib.compress(b"packed")
    told, _ = get({"/": page(body, "text/plain", f"Content-Encoding: {coding}")})
    assert told.endswith("packed")


def test_a_compressed_bomb_is_stopped_at_the_limit():
    bomb = gzip.compress(b"\0" * 20_000_000, compresslevel=1)
    told, _ = get({"/": page(bomb, "text/plain", "Content-Encoding: gzip")}, max_bytes=100_000)
    assert "larger than 100,000 bytes" in str(told)


@pytest.mark.parametrize("coding", ["br", "gzip, gzip, gzip", "zstd"])
def test_a_compression_that_was_not_asked_for_is_refused(coding):
    told, _ = get({"/": page(b"???", "text/plain", f"Content-Encoding: {coding}")})
    assert "is compressed as" in str(told)


def test_data_that_is_not_what_its_compression_says_is_told():
    told, _ = get({"/": page(b"not gzip", "text/plain", "Content-Encoding: gzip")})
    assert isinstance(told, ToolError)
    assert "can't be read" in str(told)


def test_an_endless_body_is_stopped_at_the_limit():
    async def endless(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    told, _ = get({"/": endless}, max_bytes=100_000)
    assert "larger than 100,000 bytes" in str(told)


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nx"]
)
def test_a_server_that_stops_halfway_is_given_up_at_the_time_limit(sent):
    async def hangs(writer):
        writer.write(sent)
        await writer.drain()
        await asyncio.Event().wait()

    told, _ = get({"/": hangs}, total_s=0.05)
    assert "took longer than 0.05 s" in str(told)


def test_a_body_that_is_cut_is_not_taken_for_whole():
    told, _ = get({"/": page("whole", "text/plain")[:-2]})
    assert isinstance(told, ToolError)


def test_nothing_listening_is_told():
    async def go():
        async with served({}) as server:
            pass
        await fetch_page(f"http://a.example:{server.port}/", 1, way())

    with pytest.raises(ToolError, match="can't be read"):
        asyncio.run(go())


@pytest.mark.parametrize("number", [0, -1, 3])
def test_a_page_that_does_not_exist_is_told(number):
    told, _ = get({"/": page("x" * 150, "text/plain")}, page_number=number, page_chars=100)
    assert isinstance(told, ToolError)


@pytest.mark.slow
def test_an_empty_page_says_so():
    told, _ = get({"/": page("", "text/html")})
    assert told.endswith("(the page has no text)")


@pytest.mark.slow
def test_a_page_that_would_burn_for_minutes_ends_with_its_time_and_so_does_the_process():
    burning = "<p " + " ".join(f"a{number}=1" for number in range(50_000)) + ">x"
    began = time.monotonic()
    told, _ = get({"/": page(burning)}, total_s=1)
    assert "took longer than 1 s" in str(told)
    assert time.monotonic() - began < 10  # also the end of asyncio.run, which waits for threads


def test_a_page_whose_extraction_dies_is_told(monkeypatch, tmp_path):
    dying = tmp_path / "dying.py"
    dying.write_text("raise SystemExit(1)")
    monkeypatch.setattr(module, "_CHILD", dying)
    told, _ = get({"/": page("<p>x")})
    assert "can't be extracted; try another source" in str(told)


def test_what_is_not_installed_is_told_before_the_network_is_used(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "trafilatura", None)
    told, paths = get({"/": page("x")})
    assert "pip install 'treadle[web]'" in str(told)
    assert paths == []


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://localhost:8080/", "https://[::1]/"])
def test_the_shipped_tool_reaches_nothing_on_this_machine(url):
    assert web_fetch.read_only
    arguments = web_fetch.arguments_of(json.dumps({"url": url}))
    with pytest.raises(ToolError, match="not on the public internet"):
        asyncio.run(web_fetch.function(**arguments, ctx=Context(None, "t", "c", "k", 1)))
