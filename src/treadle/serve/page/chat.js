// The conversation: its last items, and more of it on demand. What hasn't changed isn't drawn again.

import { h } from "./dom.js";
import { footElement, itemElement } from "./turn.js";

const SHOWN = 80; // Items at first, and how many more a press of the button shows.

export class Chat {
  // `earlier` gets older records, where there are some; `act` is what can be done with an item.
  constructor(act, earlier) {
    this.act = act;
    this.earlier = earlier;
    this.most = SHOWN;
    this.turns = new Map();
    this.button = h("button", { type: "button", class: "quiet", onclick: () => this.showMore() }, "Earlier turns");
    this.element = h("div", { class: "chat", role: "log", "aria-label": "Conversation" }, this.button);
  }

  // Draws a story from its end, as far back as is wanted.
  show(story, isWhole) {
    this.story = story;
    this.isWhole = isWhole;
    for (const drawn of this.turns.values()) drawn.element.remove();
    this.turns.clear();
    let left = this.most;
    let first = story.turns.length;
    while (first > 0 && left > 0) {
      first -= 1;
      left -= story.turns[first].items.length;
    }
    for (const turn of story.turns.slice(first)) this.update(turn, turn === story.turns[first] ? Math.max(0, -left) : 0);
    this.button.hidden = isWhole && first === 0 && left >= 0;
  }

  // Draws a turn that is new, or what has changed in one that is shown.
  update(turn, from = 0) {
    let drawn = this.turns.get(turn);
    if (!drawn) {
      if (turn.seq && turn.seq < this.firstShown()) return;
      drawn = { element: h("article", { class: "turn" }), from, items: new Map(), foot: null, footKey: "" };
      this.turns.set(turn, drawn);
      this.element.append(drawn.element);
    }
    for (const item of turn.items.slice(drawn.from)) {
      const old = drawn.items.get(item);
      if (old && old.changes === item.changes) continue;
      const element = itemElement(item, this.act);
      if (old?.element.open) element.open = true;
      if (old) old.element.replaceWith(element);
      else drawn.element.insertBefore(element, drawn.foot);
      drawn.items.set(item, { element, changes: item.changes });
    }
    const footKey = JSON.stringify([turn.ended, [...turn.feedback.values()]]);
    if (footKey === drawn.footKey) return;
    const foot = footElement(turn, this.act);
    if (drawn.foot) drawn.foot.replaceWith(foot);
    else drawn.element.append(foot);
    Object.assign(drawn, { foot, footKey });
  }

  firstShown() {
    const [first] = this.turns.keys();
    return first ? first.seq : 0;
  }

  async showMore() {
    const height = document.body.scrollHeight;
    const known = this.story.turns.reduce((sum, turn) => sum + turn.items.length, 0);
    this.most += SHOWN;
    if (known < this.most && !this.isWhole) await this.earlier();
    else this.show(this.story, this.isWhole);
    scrollBy({ top: document.body.scrollHeight - height }); // what was read stays where it was
  }
}
