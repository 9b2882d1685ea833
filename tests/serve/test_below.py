"""Below another application, or behind a proxy that takes a prefix away, no address leads out of there."""

import re
from urllib.parse import quote, urljoin

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from serve.serving import KEYS, Shop, key_of
from treadle.serve import app

BELOW = "/shop/agents"
NAMES = ("anna", "anna/monday", "50 %", "a?b#c", "anna.json", "Zoë")


def taking_away(made):
    """ASGI: a proxy that says nothing of the prefix that it takes away."""

    async def proxy(scope, receive, send):
        if scope["type"] == "http":
            raw = scope["raw_path"].removeprefix(BELOW.encode())
            scope = {**scope, "raw_path": raw, "path": scope["path"].removeprefix(BELOW)}
        await made(scope, receive, send)

    return proxy


def mounting(made):
    return Starlette(routes=[Mount(BELOW, made)])


@pytest.fixture(params=[mounting, taking_away])
def client(request):
    made = request.param(app(Shop().agent, keys=KEYS, grace_s=0.5))
    address = "http://127.0.0.1:8000"
    with TestClient(made, base_url=address, headers=key_of("ann")) as client:
        yield client


def path_of(name):
    return f"{BELOW}/threads/{quote(name, safe='').replace('.', '%2E')}"


def begin(client, name):
    asked = {"text": "Hi", "agent": "shop", "thread": name}
    assert client.post(f"{BELOW}/api/threads", json=asked).status_code == 202


def addresses_in(answer):
    found = re.findall(r'(?:href|src)="([^"#]+)"', answer.text)
    return [urljoin(str(answer.url), each) for each in found if not each.startswith("data:")]


@pytest.mark.parametrize("path", ["/", "/threads", "/waiting", "/costs", "/threads/anna"])
def test_the_files_and_links_of_the_page_are_there(client, path):
    found = addresses_in(client.get(BELOW + path))
    assert len(found) > 15
    for each in found:
        assert client.get(each).status_code == 200, each
        assert f"{BELOW}/" in each


@pytest.mark.parametrize("name", NAMES)
def test_what_a_thread_is_hinted_to_need_is_there(client, name):
    begin(client, name)
    shell = client.get(path_of(name))
    hints = re.findall("<([^>]+)>", shell.headers["link"])
    info, records = [client.get(urljoin(str(shell.url), each)).json() for each in hints]
    assert info["thread_id"] == name
    assert records[0]["record"]["seq"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_thread_as_json_is_there(client, name):
    begin(client, name)
    answer = client.get(path_of(name) + ".json")
    assert answer.json()["thread_id"] == name


@pytest.mark.parametrize(
    "page", ["threads.json?limit=1", "waiting.json", "workers.json", "costs.json?threads=1"]
)
def test_a_list_as_json_is_there(client, page):
    answer = client.get(f"{BELOW}/{page}")
    assert answer.status_code == 200
    assert answer.url.path.startswith(f"{BELOW}/api/")


def test_health_needs_no_key(client):
    assert client.get(f"{BELOW}/health", headers={"Authorization": ""}).status_code == 200
    assert client.get(f"{BELOW}/api/threads", headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize("path", ["/", "/threads", "/threads/anna%2Fmonday", "/threads/a:b"])
def test_the_address_with_a_key_leads_to_the_same_one_without(client, path):
    key = next(iter(KEYS))
    answer = client.get(f"{BELOW}{path}?status=parked&key={key}", headers={"Authorization": ""})
    assert str(answer.url) == f"http://127.0.0.1:8000{BELOW}{path}?status=parked"
