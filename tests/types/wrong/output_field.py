"""A misspelt field of the output."""

from dataclasses import dataclass

from treadle import Agent


@dataclass
class Weather:
    celsius: float


result = Agent("Tell the weather.", output=Weather).run_sync("In Rome?")
print(result.output.celcius)  # error
print(result.outptu)  # error
