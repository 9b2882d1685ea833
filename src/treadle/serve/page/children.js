// The threads that work for a thread, as a tree.

import { threadPath } from "./address.js";
import { badge, count, h, shown } from "./dom.js";

export function drawChildren(info) {
  const below = (parent) => info.children.filter((child) => child.parent_thread_id === parent);
  const list = (parent) => {
    const found = below(parent);
    if (!found.length) return null;
    return h("ul", {}, found.map((child) => h("li", {},
      h("a", { href: threadPath(child.thread_id) }, shown(child.agent)), " ", badge(child.status), list(child.thread_id))));
  };
  return h("details", { class: "children", open: info.children.length < 6 },
    h("summary", {}, count(info.children.length, "child").replace("childs", "children"), " at work for it"),
    list(info.thread_id));
}
