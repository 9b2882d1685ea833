// Asks where a new thread leaves an old one, and goes there.

import { threadPath } from "./address.js";
import { post, thread as path } from "./api.js";
import { h, problem, replace } from "./dom.js";

// A fork after a record (null: the last), or one that says something else than a message did.
export function askFork(name, seq, text = null) {
  const words = h("textarea", { rows: 4, "aria-label": "Message", value: text ?? "" });
  const fault = h("div");
  const dialog = h("dialog", {},
    h("form", { method: "dialog" },
      h("h2", {}, text === null ? "Fork this thread" : "Say something else from here"),
      h("p", { class: "why" }, text === null
        ? `A new thread shares ${seq ? `everything up to record ${seq}` : "all of this one"}. What was done stays done.`
        : "A new thread shares everything before this message."),
      text === null ? null : words,
      fault,
      h("div", { class: "buttons" },
        h("button", { type: "button", class: "yes", onclick: make }, "Fork"),
        h("button", { value: "no", class: "quiet" }, "Keep it as it is"))));
  async function make() {
    try {
      const made = await post(path(name, "/fork"), text === null ? { at: seq } : { at: seq, edit: words.value });
      dialog.close();
      history.pushState(null, "", threadPath(made.thread_id));
      dispatchEvent(new PopStateEvent("popstate"));
    } catch (error) {
      replace(fault, problem(error));
    }
  }
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
