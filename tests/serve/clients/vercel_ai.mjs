// Vercel's AI SDK.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";
import { ADDRESS, KEY, talk } from "./talk.mjs";

const provider = createOpenAICompatible({ name: "treadle", baseURL: `${ADDRESS}/v1`, apiKey: KEY });
let history = [];

await talk(async (text) => {
  const messages = [...history, { role: "user", content: text }];
  const result = await generateText({ model: provider("shop"), messages });
  history = [...messages, { role: "assistant", content: result.text }];
  return result.text;
});
