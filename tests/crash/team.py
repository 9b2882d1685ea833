"""A play with a team: a supervisor and two members at work side by side, of whom one needs a person's consent."""

from crash.scenario import Fate, Pilot, Play, toolbox
from treadle import Agent
from treadle.models.scripted import calls
from treadle.patterns import supervisor

ROUNDS = {
    "lead": (calls(("payer", {"task": "pay"}), ("clerk", {"task": "file"})), calls("put")),
    "payer": (calls("charge"), calls(("wire", {"amount": 5}))),
    "clerk": (calls("put_later", "charge_later"), calls("flaky", "broken")),
}
TOOLS = {
    "lead": ("put",),
    "payer": ("charge", "wire"),
    "clerk": ("put_later", "charge_later", "flaky", "broken"),
}


def team(fate: Fate) -> dict[str, Agent]:
    tools = {tool.name: tool for tool in toolbox(fate)}
    agents = {
        name: Agent(
            name=name, tools=[tools[each] for each in TOOLS[name]], model=Pilot(fate, rounds)
        )
        for name, rounds in ROUNDS.items()
    }
    return agents | {"lead": supervisor([agents["payer"], agents["clerk"]], agents["lead"])}


PLAY = Play(
    team,
    {"charge": 1, "wire": 1, "put_later": 1, "charge_later": 1, "flaky": 1, "put": 1},
    ("put", "put_later"),
    "[the agent payer]\ncharge is done; wire is done; [the agent clerk]\nput_later is done; charge_later is done;"
    " flaky is done; error: ValueError: no such account; put is done",
)
