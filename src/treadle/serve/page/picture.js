// Draws a graph, or the steps of a flow, in layers from its start to its end, with the way of the run.

import { dollars, h, seconds, shown, svg } from "./dom.js";

const WIDTH = 148;
const HEIGHT = 40;
const ACROSS = 32;
const DOWN = 44;
const MARGIN = 12;
const LABEL = 22;

export function drawPicture(picture) {
  const layers = order(picture, layerOf(picture));
  const at = place(layers);
  const widest = Math.max(...layers.map((layer) => layer.length));
  const width = widest * (WIDTH + ACROSS) - ACROSS + 2 * MARGIN + 2 * ACROSS;
  const height = layers.length * (HEIGHT + DOWN) - DOWN + 2 * MARGIN;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": describe(picture) },
    svg("defs", {}, tip("tip"), tip("taken-tip")),
    picture.arrows.map((arrow) => drawArrow(arrow, at, picture.ran)),
    picture.places.map((each) => drawPlace(each, at.get(each.id))));
  return h("div", { class: "picture", tabindex: "0", role: "group", "aria-label": "Graph" }, drawing);
}

function tip(id) {
  return svg("marker", { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" },
    svg("path", { d: "M0 0.5L8 4L0 7.5z" }));
}

// How far each place is from the start, by the longest way that never leads back.
function layerOf(picture) {
  const onward = new Map(picture.places.map((each) => [each.id, []]));
  for (const arrow of picture.arrows) onward.get(arrow.source)?.push(arrow.target);
  const sorted = [];
  const state = new Map();
  const forward = new Set();
  const visit = (id) => {
    state.set(id, "open");
    for (const target of onward.get(id)) {
      if (state.get(target) === "open") continue; // it leads back
      forward.add(`${id}\n${target}`);
      if (!state.has(target)) visit(target);
    }
    state.set(id, "left");
    sorted.unshift(id);
  };
  visit("start");
  for (const { id } of picture.places) if (!state.has(id)) visit(id);
  const layer = new Map(sorted.map((id) => [id, 0]));
  for (const id of sorted) {
    for (const target of onward.get(id)) {
      if (forward.has(`${id}\n${target}`)) layer.set(target, Math.max(layer.get(target), layer.get(id) + 1));
    }
  }
  const last = Math.max(...layer.values());
  const reached = picture.arrows.some((arrow) => arrow.target === "end");
  layer.set("end", reached ? layer.get("end") : last + 1);
  return layer;
}

// The places of each layer, left to right: each near the middle of what leads to it.
function order(picture, layer) {
  const layers = Array.from({ length: Math.max(...layer.values()) + 1 }, () => []);
  for (const { id } of picture.places) layers[layer.get(id)].push(id);
  for (const [index, row] of layers.entries()) {
    if (!index) continue;
    const before = new Map(layers[index - 1].map((id, position) => [id, position]));
    const middle = (id) => {
      const found = picture.arrows.filter((arrow) => arrow.target === id && before.has(arrow.source)).map((arrow) => before.get(arrow.source));
      return found.length ? found.reduce((sum, one) => sum + one, 0) / found.length : row.indexOf(id);
    };
    const wanted = new Map(row.map((id) => [id, middle(id)]));
    row.sort((one, other) => wanted.get(one) - wanted.get(other));
  }
  return layers;
}

function place(layers) {
  const widest = Math.max(...layers.map((layer) => layer.length));
  const at = new Map();
  for (const [down, layer] of layers.entries()) {
    for (const [across, id] of layer.entries()) {
      const left = (widest - layer.length) / 2 + across;
      at.set(id, { x: MARGIN + ACROSS + left * (WIDTH + ACROSS), y: MARGIN + down * (HEIGHT + DOWN), down });
    }
  }
  return at;
}

function drawPlace(each, { x, y }) {
  const facts = [each.runs > 1 ? `${each.runs} times` : "", each.seconds ? seconds(each.seconds) : "", each.cost_usd ? dollars(each.cost_usd) : "", WORDS[each.status] ?? ""].filter(Boolean).join(", ");
  const round = each.kind === "node" ? 8 : HEIGHT / 2;
  const middle = x + WIDTH / 2;
  return svg("g", { class: `place ${each.kind} ${each.status}` },
    svg("title", {}, `${shown(each.label)}${facts ? `: ${facts}` : ""}`),
    svg("rect", { x, y, width: WIDTH, height: HEIGHT, rx: round }),
    svg("text", { x: middle, y: y + (facts ? 17 : 25) }, cut(shown(each.label), LABEL)),
    facts ? svg("text", { x: middle, y: y + 32, class: "facts" }, cut(facts, 28)) : null);
}

const WORDS = { working: "works", waiting: "waits", failed: "failed" };

function drawArrow(arrow, at, ran) {
  const from = at.get(arrow.source);
  const to = at.get(arrow.target);
  const x1 = from.x + WIDTH / 2;
  const x2 = to.x + WIDTH / 2;
  let d;
  let label;
  if (to.down > from.down) {
    const y1 = from.y + HEIGHT;
    const y2 = to.y - 2;
    const bend = Math.min(60, (y2 - y1) / 2);
    // A way past other layers keeps to the side of what lies between.
    const side = to.down - from.down > 1 && Math.abs(x1 - x2) < WIDTH ? WIDTH * 0.9 : 0;
    d = side ? `M${x1} ${y1}C${x1 + side} ${y1 + bend} ${x2 + side} ${y2 - bend} ${x2} ${y2}` : `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
    label = { x: (x1 + x2) / 2 + side * 0.75, y: (y1 + y2) / 2 + 4 };
  } else { // back up, or to itself, on the left
    const left = Math.min(from.x, to.x);
    const y1 = from.y + HEIGHT / 2 + 5;
    const y2 = to.y + HEIGHT / 2;
    d = `M${from.x} ${y1}C${left - ACROSS - 6} ${y1} ${left - ACROSS - 6} ${y2} ${to.x - 2} ${y2}`;
    label = { x: left - ACROSS / 2, y: (y1 + y2) / 2 + 4 };
  }
  const words = [arrow.label, arrow.times > 1 ? `×${arrow.times}` : ""].filter(Boolean).join(" ");
  return svg("g", { class: `arrow${arrow.times ? " taken" : ran ? " left" : ""}` },
    svg("path", { d, "marker-end": `url(#${arrow.times ? "taken-tip" : "tip"})` }, words ? svg("title", {}, shown(words)) : null),
    words ? svg("text", label, cut(shown(words), LABEL)) : null);
}

function describe(picture) {
  const done = picture.places.filter((each) => each.status && each.kind === "node");
  const parts = done.map((each) => `${each.label} ${WORDS[each.status] ?? "ran"}`);
  return parts.length ? `What ran: ${parts.map(shown).join(", ")}` : "Nothing has run yet";
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
