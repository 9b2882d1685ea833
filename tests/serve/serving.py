"""A served agent for tests, in this process: requests go straight into the application."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from starlette.testclient import TestClient

from treadle import Agent, Change, Deny, MemoryStore, ScriptedModel, tool
from treadle.models.scripted import calls, says
from treadle.serve import app

KEYS = {"ann-has-this-long-key": "ann", "ben-has-this-long-key": "ben"}


def key_of(person: str) -> dict[str, str]:
    [key] = [key for key, owner in KEYS.items() if owner == person]
    return {"Authorization": f"Bearer {key}"}


class Shop:
    """An agent with a payment that needs approval, and what it has paid."""

    def __init__(self, *script: Any, store: Any = None) -> None:
        self.paid: list[int] = []

        @tool(needs_approval=True)
        def pay(amount: int) -> str:
            """Pay an amount."""
            self.paid.append(amount)
            return "paid"

        @tool(read_only=True)
        def stock(item: str) -> int:
            """How many there are."""
            return 17

        self.model = ScriptedModel(script or [says("Hello.")])
        self.store = store or MemoryStore()
        self.agent = Agent(
            "Sell.", tools=[pay, stock], model=self.model, name="shop", store=self.store
        )


def make_checked_shop(*script: Any) -> Shop:
    """A shop whose check refuses answers that name 42, and changes those that are raw."""

    def check(answer: str, _: Any) -> Any:
        if "42" in answer:
            return Deny("say it without the number")
        return Change("Changed.") if "raw" in answer else None

    shop = Shop(*script)
    shop.agent = replace(shop.agent, check_output=check)
    return shop


WANTS_TO_PAY = calls(("pay", {"amount": 3}))


@contextlib.contextmanager
def serving(*runners: Any, person: str = "ann", **settings: Any) -> Iterator[TestClient]:
    made = app(*runners, keys=KEYS, grace_s=0.5, **settings)
    with TestClient(made, base_url="http://127.0.0.1:8000", headers=key_of(person)) as client:
        yield client


def events_of(
    client: TestClient, path: str, headers: dict[str, str] | None = None
) -> list[tuple[str, Any, str]]:
    """The server-sent events up to the first result: name, data and id of each."""
    found: list[tuple[str, Any, str]] = []
    name = data = id = ""
    with client.stream("GET", path, headers=headers or {}) as answer:
        assert answer.status_code == 200, answer.read()
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            match field:
                case "event":
                    name = value
                case "data":
                    data = value
                case "id":
                    id = value
                case "" if name:
                    found.append((name, json.loads(data), id))
                    name = data = id = ""
    return found


def wait_for_result(client: TestClient, thread: str) -> dict[str, Any]:
    """How the last turn has ended, or what it waits for."""
    name, data, _ = events_of(client, f"/api/threads/{thread}/stream?until=result")[-1]
    assert name == "result"
    return data


def seqs_of(events: Sequence[tuple[str, Any, str]]) -> list[int]:
    return [data["record"]["seq"] for name, data, _ in events if name == "record"]
