"""Which agent is in charge of a thread. Pure."""

from dataclasses import dataclass

from ..core import events as e


@dataclass(frozen=True)
class ActiveAgent:
    """The agent in charge after some events: it began the thread, was handed it, or took over."""

    agent: str = ""
    claimed_by: str = ""
    """The agent of the last claim. If it claims the thread again, a handoff stays in force."""

    def after(self, event: e.Event) -> "ActiveAgent":
        match event:
            case e.ThreadStarted(agent=agent):
                return ActiveAgent(agent, agent)
            case e.HandedOff(agent=agent):
                return ActiveAgent(agent, self.claimed_by)
            case e.ThreadClaimed(identity=e.Identity(agent=agent)) if agent != self.claimed_by:
                return ActiveAgent(agent, agent)
            case e.AgentDescribed(agent=agent):
                return ActiveAgent(agent, self.claimed_by)
            case _:
                return self
