"""Planning: a numbered plan first, kept in the log, then the same loop carries it out."""

from treadle import Agent
from treadle.events import ModelReplied
from treadle.tools import calculator

agent = Agent(
    "You solve small problems of arithmetic with the calculator.", tools=[calculator], plan=True
)


def main() -> None:
    result = agent.run_sync(
        "Three shops sold 120, 340 and 95 lamps at 12.50 each. What did they take in all?"
    )
    plan = next(
        record.event.text for record in result.records if isinstance(record.event, ModelReplied)
    )
    print("The plan:", plan, sep="\n")
    print("The answer:", result.answer, sep="\n")


if __name__ == "__main__":
    main()
