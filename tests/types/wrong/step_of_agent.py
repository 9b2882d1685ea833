"""An agent as a step: no deps, a misspelt field, a wrong option."""

from dataclasses import dataclass

from treadle import Agent, flow, step


class Db:
    url = ""


@dataclass
class Draft:
    text: str


reader = Agent("Read.", deps_type=Db, output=Draft)


@flow
async def article() -> None:
    await step(reader, "Go.")  # error
    await step(reader, "Go.", deps="db")  # error
    await reader.run("Go.")  # error
    found = await step(reader, "Go.", deps=Db())
    print(found.output.txt)  # error
