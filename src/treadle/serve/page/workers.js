// What there is to do for workers, by agent, and which workers there are.

import { at, threadPath } from "./address.js";
import { get } from "./api.js";
import { count, h, problem, replace, seconds, shown } from "./dom.js";

const AGAIN_MS = 2500;
const MAX_NAMES = 20;

export async function show(content) {
  document.title = "Workers · Treadle";
  const list = h("div", { class: "cards work" });
  replace(
    content,
    h("div", { class: "heading" }, h("h1", {}, "Workers"), h("a", { class: "json", href: at("/workers.json") }, ".json")),
    list,
  );
  let timer = null;
  let left = false;

  async function load() {
    if (!document.hidden) {
      try {
        draw(list, await get("/api/queue"));
      } catch (error) {
        replace(list, problem(error));
      }
    }
    if (!left) timer = setTimeout(load, AGAIN_MS);
  }

  await load();
  return () => {
    left = true;
    clearTimeout(timer);
  };
}

// Who has come to a link by the keyboard stays there.
function draw(list, queue) {
  const at = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const open = queue.agents.filter(isOpen);
  replace(list, open.length || queue.engine ? queue.agents.map((agent) => card(agent, queue.engine)) : nothing());
  if (at) [...list.querySelectorAll("a")].find((link) => link.getAttribute("href") === at)?.focus();
}

function nothing() {
  return h("p", { class: "empty" }, "No thread is open. What is due, at work or waiting comes here, by agent.");
}

function isOpen(agent) {
  return agent.due || agent.running || agent.waiting || agent.parked.length || agent.queue?.waiting;
}

function card(agent, hasEngine) {
  return h(
    "section", { class: "agent-work" },
    h("h2", {}, shown(agent.agent)),
    isOpen(agent) ? numbers(agent) : h("p", { class: "quiet-text" }, "No thread is open."),
    parked(agent.parked),
    hasEngine ? workers(agent.queue) : h("p", { class: "quiet-text" }, "This server resumes them itself."),
  );
}

function numbers(agent) {
  const { queue } = agent;
  return h(
    "dl", { class: "numbers" },
    number("Due", agent.due, agent.due ? `for ${seconds(agent.due_s)}` : ""),
    number("At work", agent.running),
    number("Waiting", agent.waiting),
    number("Parked", agent.parked.length),
    queue ? number("Queued", queue.waiting, queue.waiting ? `for ${seconds(queue.oldest_s)}` : "") : null,
  );
}

function number(name, value, more = "") {
  return h(
    "div", { class: value ? "" : "none" },
    h("dt", {}, name),
    h("dd", {}, value.toLocaleString("en"), more ? h("span", { class: "quiet-text" }, ` ${more}`) : null),
  );
}

function parked(names) {
  if (!names.length) return null;
  return h(
    "div", {},
    h("p", { class: "quiet-text" }, "Parked: several processes died at the same place of them. Look at them, then let them go on."),
    h("ul", { class: "names" }, names.slice(0, MAX_NAMES).map((name) => h("li", {}, h("a", { href: threadPath(name) }, shown(name))))),
    names.length > MAX_NAMES ? h("p", { class: "quiet-text" }, h("a", { href: at("/?status=parked") }, `all ${count(names.length, "parked thread")}`)) : null,
  );
}

function workers(queue) {
  if (!queue) return h("p", { class: "lack" }, "The engine can't be asked. Workers find what is due by themselves.");
  if (!queue.workers.length) return h("p", { class: "lack" }, "No worker has asked for its threads of late.");
  return h(
    "div", { class: "facts" },
    h("span", {}, queue.workers.length === 1 ? "1 worker" : `${queue.workers.length} workers`),
    queue.workers.map((name) => h("code", {}, shown(name))),
  );
}
