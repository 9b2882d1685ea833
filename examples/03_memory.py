"""Memory: a thread remembers its turns, in this process and in the next: it is a log in a file.

What no longer fits the model's context is left out of the prompt, and stays in the log.
"""

from treadle import Agent
from treadle.tools import calculator

agent = Agent("You are a careful assistant. Use the calculator for every sum.", tools=[calculator])


def main() -> None:
    first = agent.run_sync("What is 12% of 2,500?")
    print(first.answer)
    for question in ("Double that.", "Is that more than 500?"):
        print(agent.run_sync(question, thread=first.thread_id).answer)


if __name__ == "__main__":
    main()
