import asyncio
import ssl

import httpx2
import pytest

from served import page, served, way
from treadle.core.errors import ToolError
from treadle.tools.public import AddressRules, check_url, find_addresses, is_public, open_public


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.32.0.1",
        "100.128.0.1",
        "192.0.1.1",
        "2606:4700::1111",
        "2a00:1450:4001::200e",
    ],
)
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a9fe:a9fe::1",
        "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:10.0.0.1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%eth0",
        "fec0::1",
        "ff02::1",
        "",
        "localhost",
        "127.1",
        "0x7f000001",
    ],
)
def test_every_other_address_is_not(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://example.org/", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("javascript:alert(1)", "http:// or https://"),
        ("example.org/page", "http:// or https://"),
        ("http://a\r\nHost: b/", "is not a URL"),
        ("http://user:secret@example.org/", "user or password"),
        ("http://example.org\\@10.0.0.1/", "user or password"),
        ("http:///x", "not a host name"),
        ("http://0x7f000001/", "not a host name"),
        ("http://127.1/", "not a host name"),
        ("http://2130706433/", "not a host name"),
        ("http://0177.0.0.1/", "is not a URL"),
        ("http://127.0.0.1./", "not a host name"),
        ("http://%31%32%37.0.0.1/", "not a host name"),
        ("http://a..b/", "not a host name"),
        ("http://example.org:25/", "port 25"),
        ("http://example.org:6379/", "port 6379"),
        ("http://example.org:0/", "port 0"),
    ],
)
def test_a_url_that_may_not_be_looked_up_is_told_why(url, told):
    with pytest.raises(ToolError, match=told):
        check_url(url)


def test_a_password_in_a_url_is_not_repeated():
    with pytest.raises(ToolError) as raised:
        check_url("http://user:secret@example.org/")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.org/a?b=c#d", "example.org"),
        ("HTTP://EXAMPLE.org:8080", "example.org"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://example.org./", "example.org."),
        ("https://8.8.8.8/", "8.8.8.8"),
        ("https://[2606:4700::1111]/", "2606:4700::1111"),
    ],
)
def test_a_usual_url_passes_without_its_fragment(url, host):
    checked = check_url(url)
    assert checked.raw_host.decode() == host
    assert "#" not in str(checked)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://169.254.169.254/latest",
    ],
)
def test_a_private_address_in_a_url_is_refused_without_asking_a_name_server(url):
    async def never(host, port):
        raise AssertionError("asked")

    with pytest.raises(ToolError, match="not on the public internet"):
        asyncio.run(find_addresses(check_url(url), AddressRules(never)))


@pytest.mark.parametrize(
    "found", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["2606:4700::1111", "fe80::1%eth0"], []]
)
def test_one_address_that_is_not_public_is_enough_to_refuse_a_name(found):
    async def resolve(host, port):
        return found

    with pytest.raises(ToolError, match=r"a\.example is not on the public internet"):
        asyncio.run(find_addresses(check_url("http://a.example/"), AddressRules(resolve)))


def test_a_name_without_an_address_is_told():
    async def resolve(host, port):
        raise OSError(-2, "Name or service not known")

    with pytest.raises(
        ToolError, match=r"no address found for nope\.example \(Name or service not known\)"
    ):
        asyncio.run(find_addresses(check_url("http://nope.example/"), AddressRules(resolve)))


def test_the_operating_system_s_loopback_name_is_refused():
    with pytest.raises(ToolError, match="localhost is not on the public internet"):
        asyncio.run(find_addresses(check_url("http://localhost/"), AddressRules()))


def test_the_name_is_resolved_once_and_sent_as_host_while_its_address_is_dialled():
    async def go():
        asked = []
        async with served({"/x": page("hello")}) as server:
            url = check_url(f"http://a.example:{server.port}/x?q=1", ports=None)
            async with open_public(url, way(asked=asked), {"X-Mine": "1"}) as response:
                body = await response.aread()
        return asked, server, body

    asked, server, body = asyncio.run(go())
    assert (asked, body) == (["a.example"], b"hello")
    target, headers, _ = server.requests[0]
    assert (target, headers["host"], headers["x-mine"]) == (
        "/x?q=1",
        f"a.example:{server.port}",
        "1",
    )


def test_the_next_address_is_dialled_where_the_first_can_t_be():
    async def go():
        async with served({"/": page("hello")}) as server:
            both = way({"a.example": ["::1", "127.0.0.1"]})
            url = check_url(f"http://a.example:{server.port}/", ports=None)
            async with open_public(
                url, AddressRules(both.resolve, lambda address: True, None), {}
            ) as response:
                return await response.aread()

    assert asyncio.run(go()) == b"hello"


def test_tls_names_the_host_and_not_the_address():
    """A server that shows no certificate hears the name and is refused."""
    names = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.sni_callback = lambda connection, name, context: names.append(name)

    async def go():
        async with served({}, tls) as server:
            url = check_url(f"https://a.example:{server.port}/", ports=None)
            with pytest.raises(httpx2.ConnectError):
                async with open_public(url, way(), {}):
                    pass

    asyncio.run(go())
    assert names == ["a.example"]


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async def go():
        async with served({"/": page("hello")}) as server:
            url = check_url(f"http://a.example:{server.port}/", ports=None)
            async with open_public(url, way(), {}) as response:
                return await response.aread()

    assert asyncio.run(go()) == b"hello"
