"""OpenAI's Python client, over chat completions."""

import openai
from talk import ADDRESS, KEY, talk

client = openai.OpenAI(base_url=f"{ADDRESS}/v1", api_key=KEY)
history = []


def ask(text):
    messages = [*history, {"role": "user", "content": text}]
    answer = client.chat.completions.create(model="shop", messages=messages).choices[0].message
    history[:] = [*messages, answer.to_dict()]
    return answer.content


talk(ask)
