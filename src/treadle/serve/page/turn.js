// The parts of a turn: what was said, what the model answered, the calls between, how it ended.

import { threadPath } from "./address.js";
import { h, problem, seconds, shown, svg } from "./dom.js";

const MARKS = { asked: "·", allowed: "·", running: "…", done: "✓", failed: "✗", refused: "✗", waiting: "?", question: "?", pending: "…" };
const ENDS = { limit: "It ended at a limit", failed: "It failed", refused: "It was refused", cancelled: "It was cancelled" };
const CUT = 400;

export function itemElement(item, act) {
  return KINDS[item.kind](item, act);
}

// How the turn has ended, and what people found of it.
export function footElement(turn, act) {
  const ended = turn.ended && ENDS[turn.ended.status]
    ? h("p", { class: `ended ${turn.ended.status}` }, `${ENDS[turn.ended.status]}${turn.ended.reason ? `: ${shown(turn.ended.reason)}` : ""}`)
    : null;
  return h("div", { class: "foot" }, ended, turn.ended && turn.seq ? feedback(turn, act) : null);
}

// A thumb, drawn: not every system has a letter for it.
function hand(good) {
  return svg("svg", { viewBox: "0 0 20 20", width: 16, height: 16, "aria-hidden": "true", class: good ? "" : "down" },
    svg("path", { d: "M6.5 9L10 2.2C11.6 2.2 12.3 3.3 12 4.8L11.4 7.5H15.6C16.9 7.5 17.6 8.5 17.3 9.7L15.8 15.6C15.5 16.7 14.8 17.3 13.7 17.3H6.5zM2.8 9H6.5V17.3H2.8z" }));
}

// What people found of the turn, and two thumbs to say it. One's own last word takes the place of the one before.
function feedback(turn, act) {
  const fault = h("div");
  const said = [...turn.feedback.values()].map((each) =>
    h("p", { class: `verdict ${each.good ? "good" : "bad"}` }, `${shown(each.by)} found this ${each.good ? "good" : "bad"}${each.reason ? `: ${shown(each.reason)}` : ""}`));
  const box = h("form", { class: "verdict-form", hidden: true });
  const open = (good) => {
    const why = h("input", { placeholder: good ? "What was good? (if you like)" : "What was bad? (if you like)", "aria-label": "Why" });
    box.onsubmit = async (event) => {
      event.preventDefault();
      try {
        await act.rate(turn, good, why.value);
        box.hidden = true;
      } catch (error) {
        fault.replaceChildren(problem(error));
      }
    };
    box.replaceChildren(why, h("button", {}, good ? "Say it was good" : "Say it was bad"));
    box.hidden = false;
    why.focus({ preventScroll: true });
    box.scrollIntoView({ block: "center" });
  };
  const thumb = (good) => h("button", { type: "button", class: "thumb", "aria-label": good ? "This turn was good" : "This turn was bad", title: good ? "Good" : "Bad", onclick: () => open(good) }, hand(good));
  return h("div", { class: "feedback" }, h("div", { class: "thumbs" }, thumb(true), thumb(false), said), box, fault);
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
  call: (item, act) => {
    const call = h("details", { class: `call ${item.status}`, ontoggle: () => { if (call.open && !call.querySelector("dl")) call.append(...insideOf(item, act)); } },
      h("summary", {},
        h("span", { class: "mark", "aria-hidden": "true" }, MARKS[item.status] ?? "·"),
        h("code", {}, shown(item.name)),
        h("span", { class: "brief" }, shown(brief(item.arguments))),
        h("span", { class: "took" }, item.took ? seconds(item.took) : statusWord(item))));
    return call;
  },
};

function insideOf(item, act) {
  return [
    h("dl", {},
      h("dt", {}, item.edited ? "Arguments, as a person changed them" : "Arguments"), h("dd", {}, h("pre", {}, shown(pretty(item.arguments)))),
      item.result ? [h("dt", {}, item.status === "failed" ? "Error" : "Result"), h("dd", {}, h("pre", {}, shown(cut(pretty(item.result)))))] : null,
      item.decided ? [h("dt", {}, "Decided"), h("dd", {}, shown(item.decided))] : null,
      item.child ? [h("dt", {}, "Thread"), h("dd", {}, h("a", { href: threadPath(item.child) }, shown(item.child)))] : null,
      item.handle ? [h("dt", {}, "Work elsewhere"), h("dd", {}, shown(item.handle))] : null),
    h("button", { type: "button", class: "link", onclick: () => act.select(item.seq) }, "in the timeline"),
  ];
}

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
