"""The output is an object of a dataclass, a pydantic model or a TypedDict."""

from dataclasses import dataclass
from typing import TypedDict

from pydantic import BaseModel

from treadle import Agent, Result


@dataclass
class Weather:
    celsius: float


class City(BaseModel):
    name: str


class Row(TypedDict):
    size: int


weather = Agent("Tell the weather.", output=Weather)
celsius: float = weather.run_sync("In Rome?").output.celsius
name: str = Agent("Find the city.", output=City).run_sync("Where?").output.name
size: int = Agent("Measure.", output=Row).run_sync("It?").output["size"]


async def ask() -> Weather | None:
    result: Result[Weather] = await weather.run("In Oslo?")
    return result.find_output()
