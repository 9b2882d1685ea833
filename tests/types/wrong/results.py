"""A result taken for something else: the output that may be missing, a status that isn't one."""

from treadle import Agent, Result

agent = Agent("Talk.")
result = agent.run_sync("Hello.")
length: int = len(result.find_output())  # error
if result.status == "done":  # error
    print(result.output)
number: Result[int] = result  # error
agent.name = "other"  # error
