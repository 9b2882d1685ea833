"""The output is a union, a list, a literal or a number."""

from dataclasses import dataclass
from typing import Literal

from treadle import Agent


@dataclass
class Cat:
    lives: int


@dataclass
class Dog:
    tricks: list[str]


either = Agent("What is it?", output=Cat | Dog).run_sync("This?").output
count: int = either.lives if isinstance(either, Cat) else len(either.tricks)
cats: list[Cat] = Agent("Which cats?", output=list[Cat]).run_sync("These?").output
word: Literal["yes", "no"] = Agent("Is it?", output=Literal["yes", "no"]).run_sync("So?").output
number: float = Agent("How much?", output=float).run_sync("This?").output
perhaps: Cat | None = Agent("Any cat?", output=Cat | None).run_sync("Here?").output
