// Makes elements. Text goes in as text only: nothing that a model or a tool wrote becomes markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export function replace(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

const ODD = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

// Characters that hide or reorder text are shown by their numbers.
export function shown(text) {
  return String(text ?? "").replace(ODD, (odd) => `⟨${odd.codePointAt(0).toString(16)}⟩`);
}

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 0.001) return "<1 ms";
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value.toFixed(1)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${(value / 3600).toFixed(1)} h`;
}

export function dollars(value) {
  if (value === null || value === undefined) return "cost unknown";
  if (value === 0) return "$0";
  return value < 0.01 ? `$${value.toPrecision(2)}` : `$${value.toFixed(2)}`;
}

export function count(value, noun) {
  return `${value.toLocaleString("en")} ${noun}${value === 1 ? "" : "s"}`;
}

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function time(at) {
  const date = new Date(at * 1000);
  return h("time", { datetime: date.toISOString(), title: WHEN.format(date) }, ago(at));
}

function ago(at) {
  const past = Date.now() / 1000 - at;
  if (past < 60) return "just now";
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  if (past < 86400) return `${Math.floor(past / 3600)} h ago`;
  return new Date(at * 1000).toLocaleDateString();
}

const WORDS = {
  unfinished: "unfinished", answered: "answered", waiting: "waits", limit: "at a limit",
  failed: "failed", refused: "refused", cancelled: "cancelled", parked: "parked",
  imported: "imported", damaged: "damaged",
};

export function badge(status, live = false) {
  if (live) return h("span", { class: "badge live" }, "working");
  return h("span", { class: `badge ${status}` }, WORDS[status] ?? status);
}

export function problem(error) {
  return h("p", { class: "problem", role: "alert" }, shown(error.message ?? error));
}
