// All that waits for people, in every thread.

import { at, threadPath } from "./address.js";
import { get } from "./api.js";
import { h, problem, replace, shown, time } from "./dom.js";
import { decisionCard } from "./decide.js";

const AGAIN_MS = 3000;

export async function show(content) {
  document.title = "Waiting · Treadle";
  const list = h("div", { class: "cards" });
  replace(
    content,
    h("div", { class: "heading" }, h("h1", {}, "Waiting for a person"), h("a", { class: "json", href: at("/waiting.json") }, ".json")),
    list,
  );
  let timer = null;
  let left = false;
  let known = "";

  async function load() {
    clearTimeout(timer);
    try {
      const waiting = await get("/api/waiting");
      const now = JSON.stringify(waiting);
      if (now !== known) {
        known = now; // what a person is writing in a card stays as long as nothing has changed
        const cards = await Promise.all(waiting.map(card));
        replace(list, cards.length ? cards : h("p", { class: "empty" }, "Nothing waits. Approvals and questions of all threads come here."));
      }
    } catch (error) {
      known = "";
      replace(list, problem(error));
    }
    clearTimeout(timer);
    if (!left) timer = setTimeout(load, AGAIN_MS);
  }

  async function card(waiting) {
    const where = h(
      "p", { class: "where" },
      h("a", { href: threadPath(waiting.root_id) }, shown(waiting.title) || shown(waiting.root_id)),
      h("span", {}, shown(waiting.agent)),
      time(waiting.since),
    );
    return h("section", { class: "inbox" }, where, decisionCard(waiting.decision, waiting.schema, load));
  }

  await load();
  return () => {
    left = true;
    clearTimeout(timer);
  };
}
