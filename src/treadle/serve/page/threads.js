// The list of threads, and a box to begin one.

import { at, threadPath } from "./address.js";
import { get, post } from "./api.js";
import { badge, count, dollars, h, problem, replace, shown, time } from "./dom.js";

const STATUSES = ["waiting", "unfinished", "answered", "limit", "failed", "refused", "cancelled", "parked", "imported"];
const AGAIN_MS = 2500;

export async function show(content) {
  document.title = "Threads · Treadle";
  const { agents } = await get("/api/agents");
  const asked = new URLSearchParams(location.search);
  const list = h("div", { class: "thread-list", "aria-live": "off" });
  const search = h("input", {
    type: "search", placeholder: "Search names and first messages", "aria-label": "Search",
    value: asked.get("search") ?? "", oninput: () => begin(250),
  });
  const status = h(
    "select", { "aria-label": "Status", onchange: () => begin(0) },
    h("option", { value: "" }, "Any status"),
    STATUSES.map((each) => h("option", { value: each, selected: asked.get("status") === each }, each)),
  );
  const rated = h(
    "select", { "aria-label": "Rated", onchange: () => begin(0) },
    h("option", { value: "" }, "Rated or not"),
    ["good", "bad"].map((each) => h("option", { value: each, selected: asked.get("rated") === each }, `found ${each}`)),
  );
  const more = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => load(true) }, "Older threads");
  let timer = null;
  let left = false;
  let before = null;
  let pages = 1;

  function begin(wait) {
    clearTimeout(timer);
    pages = 1;
    timer = setTimeout(() => load(false), wait);
  }

  async function load(older) {
    clearTimeout(timer);
    if (left) return;
    if (older) pages += 1;
    const query = new URLSearchParams();
    if (search.value) query.set("search", search.value);
    if (status.value) query.set("status", status.value);
    if (rated.value) query.set("rated", rated.value);
    history.replaceState(null, "", at(query.size ? `/?${query}` : "/"));
    query.set("limit", Math.min(200, pages * 30));
    try {
      const page = await get(`/api/threads?${query}`);
      before = page.before;
      replace(list, page.threads.length ? page.threads.map(row) : empty(query));
      more.hidden = before === null;
    } catch (error) {
      replace(list, problem(error));
    }
    clearTimeout(timer);
    if (!left) timer = setTimeout(() => (document.hidden ? begin(AGAIN_MS) : load(false)), AGAIN_MS);
  }

  replace(
    content,
    h("h1", { class: "unseen" }, "Threads"),
    beginning(agents),
    h("div", { class: "filters" }, search, status, rated, h("a", { class: "json", href: at("/threads.json") }, ".json")),
    list,
    more,
  );
  await load(false);
  return () => {
    left = true;
    clearTimeout(timer);
  };
}

function empty(query) {
  if (["search", "status", "rated"].some((name) => query.get(name))) return h("p", { class: "empty" }, "No thread fits.");
  return h("p", { class: "empty" }, "No thread yet. Say something above, and one begins.");
}

function row(thread) {
  return h(
    "a", { class: "thread-row", href: threadPath(thread.thread_id) },
    h("span", { class: "title" }, shown(thread.title) || h("em", {}, "nothing said yet")),
    h("span", { class: "status" }, badge(thread.damaged ? "damaged" : thread.status, thread.live)),
    h("span", { class: "facts" },
      h("span", {}, shown(thread.agent)),
      h("span", {}, count(thread.tokens, "token")),
      h("span", {}, dollars(thread.cost_usd)),
      thread.good ? h("span", {}, `found good ${thread.good}×`) : null,
      thread.bad ? h("span", { class: "found-bad" }, `found bad ${thread.bad}×`) : null,
      time(thread.updated_at),
    ),
  );
}

function beginning(agents) {
  const talking = agents.filter((agent) => agent.kind === "agent" && !agent.problem);
  const text = h("textarea", { rows: 1, placeholder: "Say something to begin a thread", "aria-label": "Message" });
  const agent = h("select", { "aria-label": "Agent" }, talking.map((each) => h("option", { value: each.name }, shown(each.name))));
  const fault = h("div");
  const form = h(
    "form", { class: "say", onsubmit: begin },
    text,
    h("div", { class: "say-row" }, talking.length > 1 ? agent : h("span", { class: "quiet-text" }, talking.length ? `to ${shown(talking[0].name)}` : "no agent is served"), h("button", { disabled: !talking.length }, "Begin")),
    fault,
  );
  submitOnEnter(text, form);

  async function begin(event) {
    event.preventDefault();
    if (!text.value.trim()) return;
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const begun = await post("/api/threads", { text: text.value, agent: agent.value }, crypto.randomUUID());
      history.pushState(null, "", threadPath(begun.thread_id));
      dispatchEvent(new PopStateEvent("popstate"));
    } catch (error) {
      replace(fault, problem(error));
      button.disabled = false;
    }
  }
  return form;
}

// Enter sends, Shift+Enter is a new line; the box grows with what is in it.
export function submitOnEnter(text, form) {
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  text.addEventListener("input", () => {
    text.rows = Math.min(8, text.value.split("\n").length);
  });
}
