// A card for something that waits for a person: what it is, and the ways to decide.

import { post, thread } from "./api.js";
import { h, problem, replace, shown } from "./dom.js";

export function decisionCard(waiting, schema, decided) {
  const fault = h("div");
  const send = (rest, body) => async (event) => {
    event?.preventDefault();
    const buttons = card.querySelectorAll("button");
    for (const button of buttons) button.disabled = true;
    try {
      await post(thread(waiting.thread_id, rest), typeof body === "function" ? body() : body);
      await decided?.();
    } catch (error) {
      replace(fault, problem(error));
      for (const button of buttons) button.disabled = false;
    }
  };
  const make = KINDS[waiting.status] ?? approval;
  const card = h("form", { class: `decision ${waiting.status}`, onsubmit: (event) => event.preventDefault() }, make(waiting, schema, send), fault);
  return card;
}

const NOT_TEXT = ["boolean", "number", "integer", "object", "array", "null"];
const KINDS = { waiting: approval, question, unknown: outcome, pending, limit, imported, parked };

function approval(waiting, schema, send) {
  const fields = argumentFields(waiting.final_arguments, schema);
  const reason = h("input", { placeholder: "Why (it is kept in the log)", "aria-label": "Reason" });
  const always = h("select", { "aria-label": "How often" },
    h("option", { value: "" }, "this call only"),
    h("option", { value: "turn" }, "all such calls of this turn"),
    h("option", { value: "thread" }, "all such calls of this thread"));
  const said = (allowed) => () => {
    const body = { call_id: waiting.id, digest: waiting.digest, allowed, reason: reason.value };
    const changed = allowed ? fields.read() : null;
    if (changed) body.arguments = changed;
    if (allowed && always.value) body.always = { lasts: always.value };
    return body;
  };
  return [
    waiting.name === "approve" ? h("h2", {}, "May it go on?") : h("h2", {}, "May it run ", h("code", {}, shown(waiting.name)), "?"),
    waiting.reason ? h("p", { class: "why" }, shown(waiting.reason)) : null,
    fields.element,
    h("div", { class: "fine" }, reason, h("label", {}, "Allow ", always)),
    h("div", { class: "buttons" },
      h("button", { type: "button", class: "yes", onclick: send("/approvals", said(true)) }, "Approve"),
      h("button", { type: "button", class: "no", onclick: send("/approvals", said(false)) }, "Deny")),
  ];
}

function question(waiting, schema, send) {
  const text = h("textarea", { rows: 2, "aria-label": "Answer", placeholder: "Your answer" });
  return [
    h("h2", {}, "It asks"),
    h("p", { class: "asked" }, shown(waiting.reason)),
    text,
    h("div", { class: "buttons" },
      h("button", { type: "button", class: "yes", onclick: send("/answers", () => ({ call_id: waiting.id, text: text.value })) }, "Answer")),
  ];
}

function outcome(waiting, schema, send) {
  const result = h("input", { placeholder: "Its result, if it ran", "aria-label": "Result" });
  const said = (what) => () => ({ call_id: waiting.id, digest: waiting.digest, outcome: what, result: what === "ran" ? result.value || "done" : "" });
  return [
    h("h2", {}, "Did ", h("code", {}, shown(waiting.name)), " run?"),
    h("p", { class: "why" }, "It was cut off while it ran, and may have had its effect: look there first."),
    waiting.reason ? h("p", { class: "why" }, shown(waiting.reason)) : null,
    argumentFields(waiting.final_arguments, null).element,
    result,
    h("div", { class: "buttons" },
      h("button", { type: "button", class: "yes", onclick: send("/outcomes", said("ran")) }, "It ran"),
      h("button", { type: "button", class: "no", onclick: send("/outcomes", said("not_run")) }, "It didn't: run it"),
      h("button", { type: "button", class: "quiet", onclick: send("/outcomes", said("tell")) }, "Nobody knows")),
  ];
}

function pending(waiting) {
  return [
    h("h2", {}, "Work elsewhere: ", h("code", {}, shown(waiting.name))),
    h("p", { class: "why" }, "It goes on when the result of ", h("code", {}, shown(waiting.handle)), " comes."),
  ];
}

function limit(waiting, schema, send) {
  const amount = h("input", { type: "number", min: "0", step: "any", "aria-label": "How much more", placeholder: "How much more" });
  const body = () => ({ amounts: { [waiting.name]: Number(amount.value) } });
  return [
    h("h2", {}, "A limit is reached: ", shown(waiting.name.replaceAll("_", " "))),
    h("p", { class: "why" }, shown(waiting.reason)),
    h("div", { class: "fine" }, amount),
    h("div", { class: "buttons" }, h("button", { type: "button", class: "yes", onclick: send("/limit", body) }, "Let it use more")),
  ];
}

function imported(waiting, schema, send) {
  return [
    h("h2", {}, "This thread was imported"),
    h("p", { class: "why" }, "Nothing in it counts before somebody adopts it. Look at it first."),
    h("div", { class: "buttons" }, h("button", { type: "button", class: "yes", onclick: send("/adopt", {}) }, "Adopt it")),
  ];
}

function parked(waiting, schema, send) {
  const body = { call_id: "", digest: waiting.digest, allowed: true };
  return [
    h("h2", {}, "This thread is parked"),
    h("p", { class: "why" }, shown(waiting.reason)),
    h("div", { class: "buttons" }, h("button", { type: "button", class: "yes", onclick: send("/approvals", body) }, "Let it go on")),
  ];
}

// The arguments as a form, by the tool's schema. `read` gives them where somebody has changed one,
// else null: what nobody has touched stays as the model gave it.
export function argumentFields(text, schema) {
  let values = {};
  try {
    values = JSON.parse(text || "{}");
  } catch {
    return { element: h("pre", { class: "whole" }, shown(text)), read: () => null };
  }
  if (hasRounded(values)) return { element: h("pre", { class: "whole" }, shown(text)), read: () => null };
  if (!schema || typeof values !== "object" || values === null || Array.isArray(values)) {
    return { element: facts(values), read: () => null };
  }
  const names = [...new Set([...Object.keys(values), ...Object.keys(schema.properties ?? {})])];
  const fields = names.map((name) => field(name, values[name], schema.properties?.[name] ?? {}, (schema.required ?? []).includes(name)));
  return {
    element: h("div", { class: "arguments" }, fields.map((each) => each.element)),
    read() {
      const changed = { ...values };
      for (const each of fields.filter((one) => one.touched())) {
        const value = each.read();
        if (value === undefined) delete changed[each.name];
        else changed[each.name] = value;
      }
      return JSON.stringify(changed) === JSON.stringify(values) ? null : changed;
    },
  };
}

// Whether a whole number is in it that JavaScript can't hold exactly.
function hasRounded(value) {
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value);
  return typeof value === "object" && value !== null && Object.values(value).some(hasRounded);
}

// Arguments that can only be looked at: a row each, where they have names.
function facts(values) {
  if (typeof values !== "object" || values === null || Array.isArray(values)) return h("pre", { class: "whole" }, shown(JSON.stringify(values, null, 2)));
  return h("dl", { class: "rows" }, Object.entries(values).flatMap(([name, value]) => [
    h("dt", {}, shown(name)),
    h("dd", {}, shown(typeof value === "string" ? value : JSON.stringify(value, null, 2))),
  ]));
}

function field(name, value, schema, needed) {
  const id = `field-${crypto.randomUUID()}`;
  let input;
  let read;
  const given = value !== undefined;
  // A value of another type than the schema's is shown as it is: a widget would change it.
  const fits = (kind) => !given || typeof value === kind;
  if (schema.enum && (!given || schema.enum.includes(value))) {
    input = h("select", { id }, schema.enum.map((each) => h("option", { value: JSON.stringify(each), selected: (given ? value : schema.default) === each }, shown(each))));
    read = () => JSON.parse(input.value);
  } else if (schema.type === "boolean" && fits("boolean")) {
    input = h("input", { id, type: "checkbox", checked: Boolean(given ? value : schema.default) });
    read = () => input.checked;
  } else if ((schema.type === "number" || schema.type === "integer") && fits("number")) {
    input = h("input", { id, type: "number", step: schema.type === "integer" ? 1 : "any", value: given ? value : "" });
    read = () => (input.value === "" ? undefined : Number(input.value));
  } else if ((schema.type === "string" && !given) || (!NOT_TEXT.includes(schema.type) && typeof value === "string")) {
    const start = given ? value : "";
    input = start.length > 60 || /[\r\n]/.test(start) ? h("textarea", { id, rows: 3 }) : h("input", { id });
    input.value = start;
    read = () => (input.value === "" && !given ? undefined : input.value);
  } else {
    input = h("textarea", { id, rows: 3, class: "code" });
    input.value = given ? JSON.stringify(value, null, 2) : "";
    read = () => {
      if (input.value.trim() === "") return undefined;
      try {
        return JSON.parse(input.value);
      } catch {
        throw new Error(`${name}: this is no JSON`);
      }
    };
  }
  let touched = false;
  input.addEventListener("input", () => { touched = true; });
  input.addEventListener("change", () => { touched = true; });
  const element = h("div", { class: "field" }, h("label", { for: id }, shown(name), needed ? null : h("small", {}, " optional")), input,
    schema.description ? h("small", { class: "hint" }, shown(schema.description)) : null);
  return { name, element, read, touched: () => touched };
}
