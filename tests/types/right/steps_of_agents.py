"""Agents as steps: typed outputs, with deps and without."""

from dataclasses import dataclass

from treadle import Agent, Result, flow, step


class Db:
    url = ""


@dataclass
class Draft:
    text: str


writer = Agent("Write.", output=Draft)
reader = Agent("Read.", deps_type=Db, output=Draft)


@flow
async def article(topic: str, id: str, thread: str) -> str:
    first = await writer.run(f"About {topic}", within=60)
    second: Result[Draft] = await step.options(id="again")(writer, f"About {topic}", within=60)
    third = await step(reader, f"About {id}", deps=Db())
    return first.output.text + second.output.text + third.output.text + thread


text: str = article.run_sync("lamps", id="7", thread="mine").output
