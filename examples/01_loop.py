"""The loop: the model is asked, its tool calls are run, the results go back, until it answers.

Run it with no key at all: the embedded model answers. Every step is a record in the log.
"""

from treadle import Agent
from treadle.tools import calculator

agent = Agent("Use the calculator for every sum. Answer in one short sentence.", tools=[calculator])


def main() -> None:
    result = agent.run_sync("What is 15% of 2,847, and is that more or less than 400?")
    for record in result.records:
        print(record.seq, record.event)
    print(result.status, "after", result.steps, "steps:", result.answer)


if __name__ == "__main__":
    main()
