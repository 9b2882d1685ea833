"""OpenAI's Python client, over Responses, streaming."""

import openai
from talk import ADDRESS, KEY, talk

client = openai.OpenAI(base_url=f"{ADDRESS}/v1", api_key=KEY)
last = None


def ask(text):
    global last
    more = {"previous_response_id": last} if last else {}
    with client.responses.stream(model="shop", input=text, **more) as events:
        response = events.get_final_response()
    last = response.id
    return response.output_text


talk(ask)
