// One thread: the conversation, beside it the timeline, above it what can be done with it.

import { at, threadPath } from "./address.js";
import { follow, get, post, remove, thread as path } from "./api.js";
import { Chat } from "./chat.js";
import { drawChildren } from "./children.js";
import { decisionCard } from "./decide.js";
import { badge, count, dollars, h, problem, replace, seconds, shown } from "./dom.js";
import { askFork } from "./fork.js";
import { submitOnEnter } from "./threads.js";
import { drawPicture } from "./picture.js";
import { newStory, tell } from "./story.js";
import { Timeline } from "./timeline.js";

const AT_FIRST = 200; // The last records are enough to begin with.
const MORE = 400;

export async function show(content, name) {
  document.title = `${name} · Treadle`;
  const [info, records] = await Promise.all([get(path(name)), get(path(name, `/records?last=${AT_FIRST}`))]);
  const view = new ThreadView(content, name, info, records);
  const leave = follow(name, view.story.lastSeq, {
    record: (record) => view.hear(record),
    delta: (delta) => view.write(delta),
    result: (result) => view.end(result),
    failed: (error) => view.fail(error),
    connected: (is) => view.connect(is),
  });
  const seq = Number(location.hash.slice(1));
  if (seq > 0) view.reveal(seq);
  else view.toEnd();
  return () => {
    leave();
    view.leave();
  };
}

class ThreadView {
  constructor(content, name, info, records) {
    this.name = name;
    this.info = info;
    this.records = [];
    this.writing = new Map();
    this.refreshing = null;
    this.head = h("header", { class: "thread-head" });
    this.picture = h("div");
    this.chat = new Chat({
      fork: (seq, text) => this.fork(seq, text),
      select: (seq) => this.reveal(seq),
      rate: (turn, good, reason) => post(path(this.name, "/feedback"), { good, reason, turn_seq: turn.seq }),
    }, () => this.getEarlier());
    this.cards = h("div", { class: "cards" });
    this.below = h("div");
    this.timeline = new Timeline(name, (seq) => this.fork(seq), (seq) => this.getEarlier(seq));
    this.line = this.sayLine();
    const tabs = ["Conversation", "Timeline"].map((label, index) =>
      h("button", { type: "button", role: "tab", "aria-selected": String(index === 0), onclick: () => this.select(index) }, label));
    this.tabs = tabs;
    this.body = h("div", { class: "thread-body first" },
      h("section", { class: "talk", "aria-label": "Conversation" }, this.chat.element, this.cards, this.below, this.line),
      h("section", { class: "steps", tabindex: "0", "aria-label": "Timeline" }, this.picture, this.timeline.element));
    this.prepend(records);
    this.showHead();
    this.showCards();
    this.showPicture();
    replace(content, this.head, h("div", { class: "tabs", role: "tablist" }, tabs), this.body);
  }

  // The first record that is known; the one after the last where there is none.
  get firstSeq() {
    return this.records[0]?.record.seq ?? this.info.last_seq + 1;
  }

  // Shows records before those that are known.
  prepend(records) {
    this.records = [...records, ...this.records];
    this.story = newStory(this.firstSeq);
    for (const record of this.records) tell(this.story, record);
    const isWhole = this.firstSeq <= 1;
    this.timeline.prepend(records, isWhole);
    this.timeline.draw(this.story);
    this.chat.show(this.story, isWhole);
  }

  // Gets records before those that are known: some, or all from this seq on.
  async getEarlier(seq = 0) {
    const before = this.firstSeq;
    if (before <= Math.max(1, seq)) return;
    const from = seq ? `after=${seq - 1}` : `last=${MORE}`;
    try {
      const records = await get(path(this.name, `/records?before=${before}&${from}`));
      if (before === this.firstSeq) this.prepend(records);
    } catch (error) {
      this.fail(error);
    }
  }

  reveal(seq) {
    this.select(1);
    return this.timeline.reveal(seq);
  }

  select(index) {
    this.body.classList.toggle("first", index === 0);
    this.body.classList.toggle("second", index === 1);
    this.tabs.forEach((tab, at) => tab.setAttribute("aria-selected", String(at === index)));
  }

  hear(record) {
    const atEnd = this.isAtEnd();
    this.timeline.add(record);
    if (record.record.thread_id === this.name) {
      if (record.record.event.type.startsWith("Model")) this.writing.clear();
      if (record.record.seq > this.story.lastSeq) this.records.push(record);
      const turn = tell(this.story, record);
      if (turn) this.chat.update(turn);
      this.timeline.draw(this.story);
    }
    this.showWriting();
    this.refreshSoon();
    if (atEnd) this.toEnd();
  }

  write(delta) {
    if (delta.thread_id !== this.name) return;
    const atEnd = this.isAtEnd();
    const kind = delta.thinking ? "thinking" : "text";
    this.writing.set(kind, (this.writing.get(kind) ?? "") + delta.text);
    this.showWriting();
    if (atEnd) this.toEnd();
  }

  showWriting() {
    const thinking = this.writing.get("thinking");
    const text = this.writing.get("text");
    replace(this.below,
      thinking && !text ? h("div", { class: "reply thinking writing" }, shown(thinking)) : null,
      text ? h("div", { class: "reply writing" }, shown(text)) : null);
  }

  end(result) {
    if (result.status !== "unfinished") this.writing.clear();
    this.showWriting();
    const isKnown = result.status === this.info.status && this.info.last_seq === this.story.lastSeq;
    if (!isKnown) this.refresh();
  }

  fail(error) {
    replace(this.below, problem(error));
  }

  connect(is) {
    const line = document.getElementById("connection");
    line.hidden = is;
    line.textContent = is ? "" : "The server can't be reached. This page tries again.";
    if (is && this.wasAway) {
      this.writing.clear(); // what is being said comes again from its beginning
      this.showWriting();
      this.refresh();
    }
    this.wasAway = !is;
  }

  refreshSoon() {
    this.refreshing ??= setTimeout(() => this.refresh(), 400);
  }

  async refresh() {
    clearTimeout(this.refreshing);
    this.refreshing = null;
    try {
      this.info = await get(path(this.name));
    } catch (error) {
      this.fail(error);
      return;
    }
    this.showHead();
    this.showCards();
    this.showPicture();
  }

  // Only flows and graphs have one: their steps are what their records tell of.
  async showPicture() {
    if (!this.info.flow) return;
    try {
      const picture = await get(path(this.name, "/picture"));
      const old = this.picture.firstChild;
      if (!picture.places.length) return;
      const drawn = h("details", { class: "graph", open: old ? old.open : true }, h("summary", {}, "The way it took"), drawPicture(picture));
      replace(this.picture, drawn);
    } catch (error) {
      replace(this.picture, problem(error));
    }
  }

  showHead() {
    const { info } = this;
    const totals = info.totals;
    const open = ["unfinished", "waiting", "parked"].includes(info.status);
    document.title = `${info.title || this.name} · Treadle`;
    replace(this.head,
      h("div", { class: "heading" },
        h("h1", {}, shown(info.title) || shown(this.name)),
        badge(info.status, info.live && info.status === "unfinished")),
      h("p", { class: "facts" },
        h("span", {}, shown(info.in_charge || info.agent)),
        h("span", {}, count(totals.steps, "step")),
        h("span", {}, count(totals.tool_calls, "tool call")),
        h("span", { title: `${totals.input_tokens} in, ${totals.output_tokens} out` }, count(totals.tokens, "token")),
        h("span", {}, dollars(totals.cost_usd)),
        h("span", { title: "of work" }, seconds(totals.seconds)),
        info.source ? h("span", {}, "forked from ", h("a", { href: threadPath(info.source) }, shown(info.source))) : null,
        h("a", { class: "json", href: `${threadPath(this.name)}.json` }, ".json")),
      info.next && open ? h("p", { class: "next" }, `Next: ${shown(info.next)}`) : null,
      info.children.length ? drawChildren(info) : null,
      h("div", { class: "buttons actions" },
        open ? h("button", { type: "button", class: "quiet", onclick: () => this.act("/cancel") }, "Cancel the turn") : null,
        info.status === "unfinished" && !info.live ? h("button", { type: "button", class: "quiet", onclick: () => this.act("/resume") }, "Resume") : null,
        h("button", { type: "button", class: "quiet", onclick: () => this.fork(null) }, "Fork"),
        h("button", { type: "button", class: "quiet danger", onclick: (event) => this.deleteThread(event.target) }, "Delete")));
  }

  showCards() {
    const now = JSON.stringify(this.info.waiting);
    if (now === this.knownCards) return; // what a person is writing in a card stays
    this.knownCards = now;
    const atEnd = this.isAtEnd();
    replace(this.cards, this.info.waiting.map((each) =>
      decisionCard(each, this.info.schemas[each.id], () => this.refresh())));
    if (atEnd) this.toEnd();
  }

  sayLine() {
    const text = h("textarea", { rows: 1, "aria-label": "Message", placeholder: "Say more, also while it works" });
    const fault = h("div");
    const form = h("form", { class: "say", onsubmit: async (event) => {
      event.preventDefault();
      const said = text.value;
      if (!said.trim()) return;
      text.value = "";
      text.rows = 1;
      replace(fault);
      try {
        await post(path(this.name, "/messages"), { text: said }, crypto.randomUUID());
      } catch (error) {
        text.value = said;
        replace(fault, problem(error));
      }
    } }, text, h("div", { class: "say-row" }, h("span", { class: "quiet-text" }, "Enter sends, Shift+Enter is a new line"), h("button", {}, "Send")), fault);
    submitOnEnter(text, form);
    return form;
  }

  async act(rest) {
    try {
      await post(path(this.name, rest), {});
      await this.refresh();
    } catch (error) {
      this.fail(error);
    }
  }

  fork(seq, text = null) {
    askFork(this.name, seq, text);
  }

  async deleteThread(button) {
    if (button.dataset.sure !== "yes") {
      button.dataset.sure = "yes";
      button.textContent = "Delete it for good, with its children?";
      return;
    }
    try {
      await remove(path(this.name));
      history.pushState(null, "", at("/"));
      dispatchEvent(new PopStateEvent("popstate"));
    } catch (error) {
      this.fail(error);
    }
  }

  isAtEnd() {
    return innerHeight + scrollY >= document.body.scrollHeight - 80;
  }

  toEnd() {
    requestAnimationFrame(() => scrollTo({ top: document.body.scrollHeight }));
  }

  leave() {
    clearTimeout(this.refreshing);
    document.getElementById("connection").hidden = true;
  }
}
