"""The output taken for something else."""

from treadle import Agent

text = Agent("Talk.").run_sync("Hello.").output
print(text.celsius)  # error
names: list[int] = Agent("Who?", output=list[str]).run_sync("All.").output  # error
either = Agent("What?", output=int | str).run_sync("This?").output
either.upper()  # error
