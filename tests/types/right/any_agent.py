"""Functions of any agent, and of any result."""

from dataclasses import dataclass

from treadle import Agent, Result


@dataclass
class Report:
    text: str


def describe(agent: Agent[None, object]) -> str:
    return show(agent.run_sync("Go."))


def show(result: Result) -> str:
    return f"{result.status}: {result.answer}"


def build() -> Agent:
    return Agent("Write.", name="writer")


reporter = Agent("Report.", output=Report)
describe(reporter)
describe(build())
text: str = build().run_sync("Go.").output.upper()
