"""OpenAI's Agents SDK, with the server as its model."""

import openai
from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from talk import ADDRESS, KEY, talk

set_tracing_disabled(True)
client = openai.AsyncOpenAI(base_url=f"{ADDRESS}/v1", api_key=KEY)
agent = Agent("client", model=OpenAIChatCompletionsModel("shop", client))
history = []


def ask(text):
    result = Runner.run_sync(agent, [*history, {"role": "user", "content": text}])
    history[:] = result.to_input_list()
    return result.final_output


talk(ask)
