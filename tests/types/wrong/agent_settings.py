"""Wrong settings of an agent."""

from treadle import Agent, Limits, Rule

one = Agent("Talk.", tool=[print])  # error
two = Agent("Talk.", limits={"steps": 3})  # error
three = Agent("Talk.", rules=[("*", "ask")])  # error
four = Agent("Talk.", unknown="stop")  # error
five = Agent("Talk.", tools=[Rule("*", "ask")], limits=Limits(steps=3))  # error
