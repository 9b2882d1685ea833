"""pydantic-ai, with the server as its model."""

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from talk import ADDRESS, KEY, talk

model = OpenAIChatModel("shop", provider=OpenAIProvider(base_url=f"{ADDRESS}/v1", api_key=KEY))
agent = Agent(model)
history = []


def ask(text):
    result = agent.run_sync(text, message_history=history)
    history[:] = result.all_messages()
    return result.output


talk(ask)
