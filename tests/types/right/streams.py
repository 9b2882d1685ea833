"""What a stream gives."""

from dataclasses import dataclass

from treadle import Agent, Delta, Record, Result, iterate_sync


@dataclass
class Score:
    points: int


scorer = Agent("Score it.", output=Score)


async def watch() -> int:
    async for item in scorer.stream("This.", thread="t"):
        match item:
            case Delta():
                print(item.text, end="")
            case Record():
                print(item.seq)
            case Result():
                return item.output.points
    return 0


for item in iterate_sync(scorer.follow("t", after=3)):
    if isinstance(item, Result):
        points: int = item.output.points
