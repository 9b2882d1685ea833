// Shows the page that the address names, and keeps the count of what waits for people.

import { at, within } from "./address.js";
import { get } from "./api.js";
import { h, problem, replace } from "./dom.js";

const PAGES = {
  threads: () => import("./threads.js"),
  waiting: () => import("./waiting.js"),
  workers: () => import("./workers.js"),
  costs: () => import("./costs.js"),
  thread: () => import("./thread.js"),
};

// Null for what has no page: JSON, files, other hosts.
function place(url) {
  const path = within(url);
  if (path === "/") return { page: "threads" };
  if (path?.startsWith("/threads/") && !path.endsWith(".json")) {
    return { page: "thread", name: decodeURIComponent(path.slice("/threads/".length)) };
  }
  const page = path?.slice(1);
  return page in PAGES && page !== "thread" ? { page } : null;
}

// The shell's links are relative to the address that it was loaded at, which won't stay the page's.
for (const link of document.querySelectorAll("header a")) link.href = link.href;

let leave = () => {};
let visit = 0;

// A page that is slow to come is left at once where another one was asked for meanwhile.
async function show() {
  leave();
  leave = () => {};
  visit += 1;
  const mine = visit;
  const { page, name } = place(new URL(location.href));
  for (const link of document.querySelectorAll("[data-page]")) {
    const here = link.dataset.page === page;
    link.toggleAttribute("aria-current", here);
    if (here) link.setAttribute("aria-current", "page");
  }
  const content = document.getElementById("content");
  try {
    const module = await PAGES[page]();
    if (mine !== visit) return;
    const box = h("div", { class: "page" }, h("p", { class: "empty" }, "Loading…"));
    replace(content, box);
    const leaveThis = (await module.show(box, name)) ?? (() => {});
    if (mine === visit) leave = leaveThis;
    else leaveThis();
  } catch (error) {
    if (mine !== visit) return;
    replace(content, h("h1", {}, "This can't be shown"), problem(error), h("p", { class: "empty" }, h("a", { href: at("/") }, "All threads")));
  }
}

// Links within the page change what is shown without loading it anew.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || link.hash || event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  if (!place(new URL(link.href))) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  show();
  document.getElementById("content").focus({ preventScroll: true });
});
window.addEventListener("popstate", show);

async function countWaiting() {
  if (document.hidden) return;
  try {
    const waiting = await get("/api/waiting");
    const badge = document.getElementById("waiting-count");
    badge.textContent = waiting.length;
    badge.hidden = !waiting.length;
  } catch {
    // The page itself says what is wrong.
  }
}

show();
countWaiting();
setInterval(countWaiting, 5000);
