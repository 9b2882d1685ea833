// The timeline: each record in a line that opens to all of it, and above it the time each part took.

import { threadPath } from "./address.js";
import { get, thread as path } from "./api.js";
import { h, problem, replace, seconds, shown } from "./dom.js";
import { pretty } from "./turn.js";

const ROWS = 12;
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export class Timeline {
  // `earlier` gets records before those that are shown: some, or all from a seq on.
  constructor(name, fork, earlier) {
    this.name = name;
    this.fork = fork;
    this.earlier = earlier;
    this.rows = new Map();
    this.seen = new Set();
    this.chart = h("div", { class: "chart", "aria-hidden": "true" });
    this.button = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.showEarlier() }, "Earlier records");
    this.list = h("ol", { class: "records" });
    const legend = h("p", { class: "legend" }, h("span", {}, "model"), h("span", { class: "tool" }, "tool"), h("span", { class: "wait" }, "waits for a person"));
    this.element = h("div", { class: "timeline" }, this.chart, legend, this.button, this.list);
  }

  // Shows records before those that are there already.
  prepend(records, isWhole) {
    for (const record of records) this.seen.add(key(record));
    this.list.prepend(...records.map((record) => this.row(record)));
    this.button.hidden = isWhole;
  }

  async showEarlier() {
    const first = this.list.querySelector("summary");
    const before = first?.getBoundingClientRect().top;
    await this.earlier();
    if (!first) return;
    const box = this.element.parentElement;
    box.scrollTop += first.getBoundingClientRect().top - before; // what was read stays where it was
    if (this.button.hidden) first.focus({ preventScroll: true });
  }

  add(record) {
    if (this.seen.has(key(record))) return;
    this.seen.add(key(record));
    this.list.append(this.row(record));
  }

  row({ record, line }) {
    const isChild = record.thread_id !== this.name;
    const inside = h("div", { class: "inside" });
    const row = h("details", { class: `record ${line.tone}${isChild ? " child" : ""}`, ontoggle: () => { if (row.open) this.open(record, line, inside); } },
      h("summary", {},
        h("span", { class: "seq" }, String(record.seq)),
        h("span", { class: "mark" }, shown(line.mark)),
        h("span", { class: "text" }, shown(line.text)),
        line.took ? h("span", { class: "took" }, shown(line.took)) : null),
      inside);
    const item = h("li", {}, row);
    if (!isChild) this.rows.set(record.seq, row);
    return item;
  }

  async reveal(seq) {
    if (!this.rows.has(seq)) await this.earlier(seq);
    const row = this.rows.get(seq);
    if (!row) return;
    row.open = true;
    row.scrollIntoView({ block: "center" });
    row.querySelector("summary").focus();
  }

  async open(record, line, inside) {
    const own = record.thread_id === this.name;
    if (own) history.replaceState(history.state, "", `#${record.seq}`);
    if (inside.childNodes.length) return;
    const at = new Date(record.at * 1000);
    replace(inside,
      h("p", { class: "when" }, CLOCK.format(at), `, after ${seconds(record.worked_s)} of work`,
        own ? h("button", { type: "button", class: "link", onclick: () => this.fork(record.seq) }, "fork from here") : h("a", { href: threadPath(record.thread_id) }, "its thread")),
      line.whole ? h("pre", { class: "whole" }, shown(line.whole)) : null);
    if (record.event.type === "ModelCalled") await this.openPrompt(record, inside);
    inside.append(h("details", { class: "raw" }, h("summary", {}, record.event.type), h("pre", {}, shown(JSON.stringify(record.event, null, 2)))));
  }

  async openPrompt(record, inside) {
    const box = h("div", { class: "prompt" }, "…");
    inside.append(box);
    try {
      const prompt = await get(path(record.thread_id, `/prompts/${record.seq}`));
      replace(box,
        h("p", { class: "why" }, `Why: ${shown(prompt.why)}. `, prompt.exact ? "This is just what the model saw." : "The log doesn't say that the model saw just this."),
        prompt.messages.map(message),
        prompt.tools.length ? h("details", {}, h("summary", {}, `${prompt.tools.length} tools`), prompt.tools.map((tool) =>
          h("pre", {}, shown(JSON.stringify(tool.function ?? tool, null, 2))))) : null);
    } catch (error) {
      replace(box, problem(error));
    }
  }

  // Bars over time. Stretches in which nothing but a wait goes on are drawn short.
  draw(story) {
    const spans = story.spans.slice(-60);
    if (!spans.length) return;
    const now = Date.now() / 1000;
    const scale = makeScale(spans, now);
    const lanes = [];
    for (const span of spans) {
      const from = scale(span.from);
      const to = scale(span.to ?? now);
      let lane = lanes.findIndex((end) => end <= from + 0.01);
      if (lane < 0) lane = lanes.push(0) - 1;
      lanes[lane] = to;
      span.lane = Math.min(lane, ROWS - 1);
    }
    this.chart.style.setProperty("--lanes", Math.min(lanes.length, ROWS));
    replace(this.chart, spans.map((span) => {
      const from = scale(span.from);
      const width = Math.max(0.4, scale(span.to ?? now) - from);
      const bar = h("button", { type: "button", tabindex: "-1", class: `bar ${span.kind}${span.failed ? " failed" : ""}${span.to ? "" : " open"}`,
        title: `${span.name}: ${seconds((span.to ?? now) - span.from)}`, onclick: () => this.reveal(span.seq) });
      bar.style.setProperty("left", `${from}%`);
      bar.style.setProperty("width", `${width}%`);
      bar.style.setProperty("top", `${span.lane * 14}px`);
      return bar;
    }));
  }
}

function makeScale(spans, now) {
  const marks = [...new Set(spans.flatMap((span) => [span.from, span.to ?? now]))].sort((a, b) => a - b);
  const works = (from, to) => spans.some((span) => span.kind !== "wait" && span.from < to && (span.to ?? now) > from);
  let total = 0;
  const pieces = [];
  for (let index = 1; index < marks.length; index += 1) {
    const length = marks[index] - marks[index - 1];
    pieces.push({ from: marks[index - 1], to: marks[index], works: works(marks[index - 1], marks[index]), length });
  }
  const work = pieces.filter((piece) => piece.works).reduce((sum, piece) => sum + piece.length, 0) || 1;
  for (const piece of pieces) {
    piece.at = total;
    piece.size = piece.works ? piece.length : Math.min(piece.length, work * 0.06);
    total += piece.size;
  }
  return (at) => {
    const piece = pieces.find((each) => at >= each.from && at <= each.to);
    if (!piece || !total) return at <= (marks[0] ?? at) ? 0 : 100;
    const part = piece.length ? (at - piece.from) / piece.length : 0;
    return (100 * (piece.at + part * piece.size)) / total;
  };
}

function message(said) {
  const text = typeof said.content === "string" ? said.content : JSON.stringify(said.content, null, 2);
  return h("div", { class: `message ${said.role}` },
    h("div", { class: "role" }, said.role),
    text && text !== "null" ? h("pre", {}, shown(text)) : null,
    (said.tool_calls ?? []).map((call) => h("pre", { class: "asked" }, shown(`${call.function.name}(${pretty(call.function.arguments)})`))));
}

function key({ record }) {
  return `${record.thread_id} ${record.seq}`;
}
