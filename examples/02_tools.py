"""Tools: calls of one reply run side by side; of bad arguments the model is told what is wrong."""

from pathlib import Path
from tempfile import TemporaryDirectory

from treadle import Agent
from treadle.tools import calculator, current_time, file_tools


def main() -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "notes.txt").write_text("Q1: 1200\nQ2: 1350\nQ3: 990\nQ4: 1610\n")
        agent = Agent(
            "You answer questions about files. Use the tools; never guess a number.",
            tools=[calculator, current_time, *file_tools(folder)],
        )
        result = agent.run_sync("Read notes.txt and tell me the total of the four quarters.")
    print(result.answer)
    print(result.summary())


if __name__ == "__main__":
    main()
