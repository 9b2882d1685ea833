"""What lies between a model and its server: proxies, certificates, keys, connections."""

import asyncio
import base64
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server import Server, delta, failing, http, says, serving, stream
from treadle.core.errors import ModelDenied, ModelRejected, ModelUnavailable, UsageError
from treadle.core.model import Message, Request
from treadle.models.http_client import find_proxy
from treadle.models.known_secrets import redact_known
from treadle.models.remote_model import RemoteModel
from treadle.models.resolve import resolve_model

GO = Request((Message("user", "go"),))
TLS = Path(__file__).parent / "tls"
"""A test authority, and a server's certificate for 127.0.0.1 with its key, for a hundred years."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def ask(url: str, **settings: Any) -> str:
    one = RemoteModel("m", **{"base_url": url, "api_key": "sk-very-secret"} | settings)
    return (await one.reply(GO, lambda text: None)).text


def asked(*answers: Any, **settings: Any) -> Server:
    async def main() -> Server:
        async with serving(*answers) as server:
            await ask(server.url, **settings)
            return server

    return asyncio.run(main())


# --- addresses


@pytest.mark.parametrize(
    ("base", "line"),
    [
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("", "/chat/completions"),
        (
            "/openai/deployments/my-dep?api-version=2024-10-21",
            "/openai/deployments/my-dep/chat/completions?api-version=2024-10-21",
        ),
        ("/a%2Fb?x=1&y=%20#m", "/a%2Fb/chat/completions?x=1&y=%20"),
    ],
)
def test_the_path_is_added_to_the_path_of_the_address(base, line):
    async def main() -> None:
        async with serving(says("x")) as server:
            await ask(server.url.removesuffix("/v1") + base)
            assert server.asked[0].line == f"POST {line} HTTP/1.1"

    asyncio.run(main())


def test_a_name_that_is_an_address_keeps_its_query():
    async def main() -> None:
        async with serving(says("x")) as server:
            url = f"{server.url}?api-version=1#my-dep"
            await resolve_model(url).reply(GO, lambda text: None)
            assert server.asked[0].line == "POST /v1/chat/completions?api-version=1 HTTP/1.1"
            assert server.asked[0].body["model"] == "my-dep"

    asyncio.run(main())


def test_the_password_of_an_address_is_sent_as_basic_authentication():
    async def main() -> None:
        async with serving(says("x")) as server:
            await ask(server.url.replace("//", "//ann:sword%40fish@"))
            pair = base64.b64encode(b"ann:sword@fish").decode()
            assert server.asked[0].headers["authorization"] == f"Basic {pair}"

    asyncio.run(main())


# --- keys and headers


async def _later() -> str:
    return "token-later"


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        (lambda: "token-1234\n", "Bearer token-1234"),
        (_later, "Bearer token-later"),
        (lambda: "", None),
        ("", None),
        ("none", "Bearer none"),
    ],
)
def test_a_key_may_be_a_function_or_left_out(key, sent, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    assert asked(says("x"), api_key=key).asked[0].headers.get("authorization") == sent


def test_no_password_of_a_netrc_is_sent(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login ann password swordfish\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert "authorization" not in asked(says("x"), api_key="").asked[0].headers


def test_a_function_for_the_key_is_asked_before_each_request_and_its_keys_are_masked():
    keys = iter(["token-one-1", "token-two-2"])

    async def main() -> list[str]:
        refused = failing(401, {"error": {"message": "token-one-1 has expired, token-two-2 too"}})
        async with serving(says("x"), refused) as server:
            one = RemoteModel("m", base_url=server.url, api_key=lambda: next(keys))
            await one.reply(GO, lambda text: None)
            with pytest.raises(ModelDenied) as denied:
                await one.reply(GO, print)
            assert "token-" not in str(denied.value)
            return [each.headers["authorization"] for each in server.asked]

    assert asyncio.run(main()) == ["Bearer token-one-1", "Bearer token-two-2"]


def test_a_function_that_gives_no_text_is_named():
    with pytest.raises(UsageError, match=r"api_key of openai:m gave int; .* must give a str"):
        asked(says("x"), api_key=lambda: 7)


def test_words_that_are_no_keys_are_shown():
    told = "model 'qwen3' not found, run: ollama pull qwen3; effort 'none'; application/json"

    async def main(make: Callable[[str], Awaitable[str]]) -> str:
        async with serving(failing(400, {"error": {"message": told}})) as server:
            with pytest.raises(ModelRejected) as refusal:
                await make(server.url)
            return str(refusal.value)

    async def by_name(url: str) -> str:
        return (await resolve_model(f"{url}#m").reply(GO, print)).text

    async def with_headers(url: str) -> str:
        headers = {"Accept": "application/json", "X-Title": "not found"}
        return await ask(url, api_key="ollama", headers=headers)

    assert told in asyncio.run(main(by_name))
    assert told in asyncio.run(main(with_headers))
    secrets = "http://127.0.0.1:1/v1?api-key=8f2e6ac0be11d4f39b7c"
    one = RemoteModel("m", base_url=secrets)
    assert "8f2e6ac0be11" not in repr(one) + redact_known("sent with 8f2e6ac0be11d4f39b7c")


def test_of_two_headers_with_one_name_the_user_s_is_sent():
    headers = asked(says("x"), headers={"authorization": "Own 1", "user-agent": "mine"}).asked[0]
    assert headers.headers["authorization"] == "Own 1"
    assert headers.headers["user-agent"] == "mine"
    assert headers.headers["content-type"] == "application/json"
    with pytest.raises(UsageError, match="header 'X-A' of openai:m"):
        asked(says("x"), headers={"X-A": "a\r\nX-B: b"})


# --- connections


def test_each_piece_is_shown_as_it_comes():
    shown = asyncio.Event()

    async def in_pieces(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n")
        for text, reason in (("one", None), ("two", None), ("three", "stop")):
            data = stream(delta(reason, content=text), done=False)
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
            await asyncio.wait_for(shown.wait(), 60)  # the next comes once this one was shown
            shown.clear()
        writer.write(b"0\r\n\r\n")

    async def main() -> list[Any]:
        pieces: list[Any] = []

        def show(piece: Any) -> None:
            pieces.append(piece)
            shown.set()

        async with serving(in_pieces) as server:
            await RemoteModel("m", base_url=server.url, api_key="k").reply(GO, show)
        return pieces

    assert asyncio.run(main()) == ["one", "two", "three"]


def test_cancelling_before_the_answer_begins_closes_the_connection_at_once():
    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async with serving(silent) as server:
            task = asyncio.create_task(ask(server.url))
            await asyncio.wait_for(server.first.wait(), 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.left.wait(), 60)

    asyncio.run(main())


def test_a_body_of_megabytes_is_sent_without_a_warning():
    async def main() -> int:
        async with serving(says("x")) as server:
            one = RemoteModel("m", base_url=server.url, api_key="k")
            await one.reply(Request((Message("user", "a" * 3_000_000),)), lambda text: None)
            return len(server.asked[0].raw)

    assert asyncio.run(main()) > 3_000_000


FORKS = """
import asyncio, os, sys
import server
from treadle.core.model import Message, Request
from treadle.models.remote_model import RemoteModel

async def ask():
    async with server.serving(server.says("hello")) as here:
        model = RemoteModel("m", base_url=here.url, api_key="k")
        return (await model.reply(Request((Message("user", "go"),)), lambda text: None)).text

print(asyncio.run(ask()), flush=True)
child = os.fork()
print(asyncio.run(ask()), flush=True)
if child:
    os.waitpid(child, 0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="only Unix forks")
def test_a_process_that_was_forked_can_ask_too():
    environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
    ran = subprocess.run(
        [sys.executable, "-c", FORKS], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (ran.stderr, ran.stdout) == ("", "hello\nhello\nhello\n")


# --- certificates


@asynccontextmanager
async def serving_tls() -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http(200, stream(delta("stop", content="safe")), {"connection": "close"}))
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as listener:
        yield f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"


async def ask_tls() -> str:
    async with serving_tls() as url:
        return await ask(url)


def test_an_authority_of_one_s_own_is_a_file(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "authority.pem"))
    assert asyncio.run(ask_tls()) == "safe"


def test_an_authority_of_one_s_own_is_a_folder(monkeypatch, tmp_path):
    # OpenSSL finds a certificate there by the hash of its subject.
    (tmp_path / "13e8dda0.0").write_bytes((TLS / "authority.pem").read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert asyncio.run(ask_tls()) == "safe"


def test_a_certificate_that_is_not_trusted_is_said_with_what_helps():
    with pytest.raises(
        UsageError, match=r"certificate of 127.0.0.1:\d+ isn't trusted here \(unable"
    ):
        asyncio.run(ask_tls())


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SSL_CERT_FILE", "/no/such.pem", r"where no certificates can be read \(no such file"),
        ("SSL_CERT_FILE", __file__, r"where no certificates can be read \(no certificate or crl"),
        ("SSL_CERT_DIR", "/no/such", "which is no folder"),
    ],
)
def test_certificates_that_can_not_be_read_are_named(variable, value, words, monkeypatch):
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=f"{variable} is .*{words}"):
        asyncio.run(ask_tls())


def test_a_server_that_speaks_no_tls_is_said():
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http(400, b"", {"connection": "close"}))
        await writer.drain()
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as listener:
            await ask(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1")

    with pytest.raises(UsageError, match=r"doesn't speak TLS; is its address http://"):
        asyncio.run(main())


# --- proxies


async def ask_by_proxy(monkeypatch, url: str, *answers: Any, user: str = "") -> Server:
    async with serving(*answers) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1").replace("//", f"//{user}"))
        try:
            await ask(url)
        finally:
            ask_by_proxy.asked = proxy.asked  # type: ignore[attr-defined]
        return proxy


@pytest.mark.treadle_real_models
def test_a_proxy_of_the_environment_is_asked(monkeypatch):
    proxy = asyncio.run(
        ask_by_proxy(monkeypatch, "http://a.test/v1?x=1", says("by proxy"), user="ann:pass@")
    )
    assert proxy.asked[0].line == "POST http://a.test/v1/chat/completions?x=1 HTTP/1.1"
    pair = base64.b64encode(b"ann:pass").decode()
    assert proxy.asked[0].headers["proxy-authorization"] == f"Basic {pair}"
    assert proxy.asked[0].headers["authorization"] == "Bearer sk-very-secret"


@pytest.mark.treadle_real_models
@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (407, UsageError, "wants a user and a password"),
        (502, ModelUnavailable, "refuses with HTTP 502"),
    ],
)
def test_a_proxy_that_refuses_a_tunnel_is_named_without_its_password(
    status, error, words, monkeypatch
):
    asking = ask_by_proxy(
        monkeypatch, "https://a.test/v1", http(status, b""), user="ann:passwords@"
    )
    with pytest.raises(error, match=words) as found:
        asyncio.run(asking)
    assert "passwords" not in str(found.value)
    [request] = ask_by_proxy.asked  # type: ignore[attr-defined]
    assert request.line == "CONNECT a.test:443 HTTP/1.1"
    assert "sk-very-secret" not in str(request.headers)  # the key is for the server alone


@pytest.mark.treadle_real_models
def test_a_proxy_that_is_down_is_an_outage(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "127.0.0.1:1")
    with pytest.raises(ModelUnavailable, match=r"the proxy http://127.0.0.1:1 can't be reached"):
        asyncio.run(ask("https://a.test/v1"))


@pytest.mark.treadle_real_models
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://", "http://x:99999"])
def test_a_proxy_that_can_not_be_used_is_said_before_anything_is_sent(proxy, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(UsageError, match=r"of HTTPS_PROXY .* must be like http://host:8080"):
        asyncio.run(ask("https://a.test/v1"))


@pytest.mark.parametrize(
    ("exempt", "proxied"),
    [
        ("", True),
        ("a.test", False),
        (".test", False),
        ("*", False),
        ("b.test,a.test:443", False),
        ("b.test", True),
    ],
)
def test_hosts_may_be_asked_without_the_proxy(exempt, proxied, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:8080")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert (find_proxy("https", "a.test", 443) is not None) is proxied


@pytest.mark.parametrize(
    ("exempt", "host", "proxied"),
    [
        ("a.test, 10.0.0.0/8", "10.1.2.3", False),
        ("10.1.2.0/24", "10.1.3.3", True),
        ("fd00::/8", "fd00::1", False),
        ("fd00::/8", "10.1.2.3", True),
        ("10.0.0.0/8,nonsense/99", "a.test", True),
        ("10.1.2.3", "10.1.2.3", False),
    ],
)
def test_a_whole_network_may_be_asked_without_the_proxy(exempt, host, proxied, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:8080")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert (find_proxy("http", host, 8000) is not None) is proxied
