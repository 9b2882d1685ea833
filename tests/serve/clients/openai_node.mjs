// OpenAI's client for Node, streaming.

import OpenAI from "openai";
import { ADDRESS, KEY, talk } from "./talk.mjs";

const client = new OpenAI({ baseURL: `${ADDRESS}/v1`, apiKey: KEY });
let history = [];

await talk(async (text) => {
  const messages = [...history, { role: "user", content: text }];
  let answer = "";
  for await (const chunk of await client.chat.completions.create({ model: "shop", messages, stream: true })) {
    answer += chunk.choices[0]?.delta?.content ?? "";
  }
  history = [...messages, { role: "assistant", content: answer }];
  return answer;
});
