"""Who is let in: other sites, other names of this machine and people without a key are not."""

from urllib.parse import urljoin

import pytest

from serve.serving import KEYS, Shop, key_of, serving
from treadle import UsageError
from treadle.serve import app


@pytest.fixture(scope="module")
def client():
    with serving(Shop().agent) as client:
        yield client


def leads_to(answer):
    return urljoin(str(answer.url.copy_with(query=None)), answer.headers["location"])


def test_without_a_key_only_health_is_told(client):
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}):
        assert client.get("/api/threads", headers=headers).status_code == 401
        assert client.get("/openapi.json", headers=headers).status_code == 401
        assert client.get("/health", headers=headers).text == "healthy\n"
        assert client.get("/ready", headers=headers).text == "ready\n"


def test_the_address_with_a_key_leads_to_one_without_and_keeps_it_in_a_cookie():
    with serving(Shop().agent) as client:
        del client.headers["Authorization"]
        key = next(iter(KEYS))
        answer = client.get(f"/api/threads?limit=1&key={key}", follow_redirects=False)
        assert answer.status_code == 303
        assert leads_to(answer) == "http://127.0.0.1:8000/api/threads?limit=1"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert client.get("/api/threads").status_code == 200


def test_a_wrong_key_in_the_address_leads_nowhere(client):
    answer = client.get(
        "/api/threads?key=wrong", headers={"Authorization": ""}, follow_redirects=False
    )
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_the_address_with_a_key_never_leads_to_another_host(client):
    key = next(iter(KEYS))
    answer = client.get(f"http://127.0.0.1:8000//evil.example/?key={key}", follow_redirects=False)
    assert leads_to(answer).startswith("http://127.0.0.1:8000/")


def test_the_address_of_a_thread_with_a_slash_and_a_key_leads_to_that_thread(client):
    key = next(iter(KEYS))
    answer = client.get(f"/threads/anna%2Fmonday?key={key}", follow_redirects=False)
    assert leads_to(answer) == "http://127.0.0.1:8000/threads/anna%2Fmonday"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8000", "", "localhost.evil"]
)
def test_a_name_that_was_made_to_point_here_is_refused(client, host):
    assert client.get("/api/threads", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "[::1]:8000", "127.0.0.1"])
def test_the_names_of_this_machine_are_let_in(client, host):
    assert client.get("/api/threads", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9", "file://"])
def test_pages_of_others_are_refused(client, origin):
    for send in (client.get, client.post, client.delete):
        answer = send("/api/threads", headers={"Origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_the_own_page_is_let_in(client):
    answer = client.get("/api/threads", headers={"Origin": "http://127.0.0.1:8000"})
    assert answer.status_code == 200


def test_a_form_can_change_nothing(client):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = client.post(
            "/api/threads", content='{"text": "hi"}', headers={"Content-Type": kind}
        )
        assert answer.status_code == 415
    assert client.get("/api/threads").json()["threads"] == []


def test_every_answer_has_a_browser_load_nothing_from_elsewhere(client):
    for path in ("/api/threads", "/api/threads/none", "/none", "/health"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_who_speaks_is_told_by_the_key(client):
    thread = client.post("/api/threads", json={"text": "hi"}, headers=key_of("ben")).json()[
        "thread_id"
    ]
    records = client.get(f"/api/threads/{thread}/records").json()
    [said] = [each["record"]["event"] for each in records if "by" in each["record"]["event"]]
    assert said["by"] == "ben"


def test_what_cannot_be_served_is_refused_in_words():
    with pytest.raises(UsageError, match="nothing to serve"):
        app()
    with pytest.raises(UsageError, match="give an Agent, a Flow or a Graph"):
        app("shop")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="two of those to serve are named 'shop'"):
        app(Shop().agent, Shop().agent)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"keys": {"": "ann"}}, "each key, and whose it is"),
        ({"keys": {" ": "ann"}}, "each key, and whose it is"),
        ({"keys": {"a-long-key": ""}}, "each key, and whose it is"),
        ({"keys": {17: "ann"}}, "each key, and whose it is"),
        ({"keys": ["a-long-key"]}, "keys=.* is a list"),
        ({"hosts": "shop.example.com"}, "hosts=.* is the text"),
        ({"hosts": None}, "hosts=.* is None"),
        ({"grace_s": float("nan")}, "grace_s=nan"),
    ],
)
def test_a_door_that_would_let_in_others_is_refused(settings, said):
    with pytest.raises(UsageError, match=said):
        app(Shop().agent, **settings)


def test_a_host_is_known_in_any_case():
    with serving(Shop().agent, hosts={"Shop.Example.com"}) as client:
        assert client.get("/api/agents", headers={"Host": "shop.EXAMPLE.com:80"}).status_code == 200
        assert client.get("/api/agents", headers={"Host": "example.com"}).status_code == 421
