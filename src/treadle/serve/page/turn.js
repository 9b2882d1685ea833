// A turn of the conversation: what was said, what the model answered, the calls between.

import { h, seconds, shown } from "./dom.js";

const MARKS = { asked: "·", allowed: "·", running: "…", done: "✓", failed: "✗", refused: "✗", waiting: "?", question: "?", pending: "…" };
const ENDS = { limit: "It ended at a limit", failed: "It failed", refused: "It was refused", cancelled: "It was cancelled" };
const CUT = 400;

export function turnElement(turn, act) {
  const items = turn.items.map((item) => KINDS[item.kind](item, act));
  const ended = turn.ended && ENDS[turn.ended.status]
    ? h("p", { class: `ended ${turn.ended.status}` }, `${ENDS[turn.ended.status]}${turn.ended.reason ? `: ${shown(turn.ended.reason)}` : ""}`)
    : null;
  return h("article", { class: "turn" }, items, ended);
}

const KINDS = {
  said: (item, act) => h("div", { class: `said${item.steers ? " steers" : ""}` },
    h("div", { class: "who" }, item.by ? shown(item.by) : "you", item.steers ? " meanwhile" : "",
      item.steers ? null : h("button", { type: "button", class: "link", onclick: () => act.fork(item.seq, item.text) }, "edit in a fork")),
    h("div", { class: "text" }, shown(item.text))),
  reply: (item) => h("div", { class: "reply" },
    item.thinking ? h("details", { class: "thinking" }, h("summary", {}, "Thinking"), h("div", {}, shown(item.thinking))) : null,
    item.text ? h("div", { class: "text" }, shown(item.text)) : null),
  note: (item) => h("p", { class: "note" }, shown(item.text)),
  call: (item, act) => h("details", { class: `call ${item.status}` },
    h("summary", {},
      h("span", { class: "mark", "aria-hidden": "true" }, MARKS[item.status] ?? "·"),
      h("code", {}, shown(item.name)),
      h("span", { class: "brief" }, shown(brief(item.arguments))),
      h("span", { class: "took" }, item.took ? seconds(item.took) : statusWord(item))),
    h("dl", {},
      h("dt", {}, item.edited ? "Arguments, as a person changed them" : "Arguments"), h("dd", {}, h("pre", {}, shown(pretty(item.arguments)))),
      item.result ? [h("dt", {}, item.status === "failed" ? "Error" : "Result"), h("dd", {}, h("pre", {}, shown(cut(pretty(item.result)))))] : null,
      item.decided ? [h("dt", {}, "Decided"), h("dd", {}, shown(item.decided))] : null,
      item.child ? [h("dt", {}, "Thread"), h("dd", {}, h("a", { href: `/threads/${encodeURIComponent(item.child)}` }, shown(item.child)))] : null,
      item.handle ? [h("dt", {}, "Work elsewhere"), h("dd", {}, shown(item.handle))] : null),
    h("button", { type: "button", class: "link", onclick: () => act.select(item.seq) }, "in the timeline")),
};

function statusWord(item) {
  if (item.status === "done") return "";
  return { asked: "", running: "runs", failed: "failed", waiting: "waits for a person", question: "waits for an answer", pending: "goes on elsewhere", refused: "refused", allowed: "allowed" }[item.status] ?? item.status;
}

function brief(text) {
  try {
    const values = JSON.parse(text);
    return Object.entries(values).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ").slice(0, 120);
  } catch {
    return String(text).slice(0, 120);
  }
}

export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return String(text ?? "");
  }
}

function cut(text) {
  return text.length > CUT * 20 ? `${text.slice(0, CUT * 20)}… (${text.length - CUT * 20} more characters in the timeline)` : text;
}
