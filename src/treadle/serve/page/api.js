// Speaks to the server: JSON there and back, and a thread as a stream of events.

import { at } from "./address.js";

export async function get(path) {
  return answer(await fetch(at(path), { headers: { Accept: "application/json" } }));
}

export async function post(path, body = {}, key = null) {
  const headers = { "Content-Type": "application/json" };
  if (key) headers["Idempotency-Key"] = key;
  return answer(await fetch(at(path), { method: "POST", headers, body: JSON.stringify(body) }));
}

export async function remove(path) {
  return answer(await fetch(at(path), { method: "DELETE" }));
}

async function answer(response) {
  const text = await response.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = null;
  }
  if (response.ok) return body;
  throw new Error(body?.error?.message ?? `The server answered ${response.status}.`);
}

export function thread(name, rest = "") {
  return `/api/threads/${encodeURIComponent(name)}${rest}`;
}

// Follows a thread until `close` is called. A connection that breaks is made again from the last
// record that came, so that nothing is lost and nothing comes twice.
export function follow(name, after, heard) {
  let last = after;
  let source = null;
  let again = null;
  const open = () => {
    source = new EventSource(at(thread(name, `/stream?after=${last}`)));
    source.addEventListener("open", () => heard.connected?.(true));
    source.addEventListener("record", (event) => {
      if (event.lastEventId) last = Number(event.lastEventId);
      heard.record(JSON.parse(event.data));
    });
    source.addEventListener("delta", (event) => heard.delta(JSON.parse(event.data)));
    source.addEventListener("result", (event) => heard.result(JSON.parse(event.data)));
    source.addEventListener("failed", (event) => heard.failed(JSON.parse(event.data).error));
    source.addEventListener("error", () => {
      heard.connected?.(false);
      source.close();
      again = setTimeout(open, 1000);
    });
  };
  open();
  return () => {
    clearTimeout(again);
    source.close();
  };
}
