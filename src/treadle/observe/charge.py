"""Which agent is in charge of a thread. Pure."""

from dataclasses import dataclass

from ..core import events as e


@dataclass(frozen=True)
class Charge:
    """By the events so far: who began the thread, was handed it, or took it up in another's place."""

    agent: str = ""
    claimed_by: str = ""
    """The agent that claimed it last: one that claims it again leaves it with whom it was handed to."""

    def after(self, event: e.Event) -> "Charge":
        match event:
            case e.ThreadStarted(agent=agent):
                return Charge(agent, agent)
            case e.HandedOff(agent=agent):
                return Charge(agent, self.claimed_by)
            case e.ThreadClaimed(identity=e.Identity(agent=agent)) if agent != self.claimed_by:
                return Charge(agent, agent)
            case e.AgentDescribed(agent=agent):
                return Charge(agent, self.claimed_by)
            case _:
                return self
