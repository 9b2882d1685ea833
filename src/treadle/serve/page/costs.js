// What has been spent, by day, agent and model.

import { at } from "./address.js";
import { get } from "./api.js";
import { count, dollars, h, replace, shown } from "./dom.js";

export async function show(content) {
  document.title = "Costs · Treadle";
  const costs = await get("/api/costs");
  const total = costs.rows.reduce((sum, row) => sum + row.known_usd, 0);
  replace(
    content,
    h("div", { class: "heading" }, h("h1", {}, "Costs"), h("a", { class: "json", href: at("/costs.json") }, ".json")),
    costs.rows.length
      ? [h("p", { class: "sum" }, h("strong", {}, dollars(total)), ` in ${count(costs.threads, "thread")}`), table(costs.rows)]
      : h("p", { class: "empty" }, "Nothing was spent yet."),
  );
}

function table(rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Costs" }, h(
    "table", {},
    h("thead", {}, h("tr", {}, ["Day", "Agent", "Model", "Calls", "Tokens in", "Tokens out", "Cost"].map((name, index) => h("th", { scope: "col", class: index > 2 ? "number" : "" }, name)))),
    h("tbody", {}, rows.map((row) => h(
      "tr", {},
      h("td", {}, row.day), h("td", {}, shown(row.agent)), h("td", {}, shown(row.model)),
      h("td", { class: "number" }, row.calls.toLocaleString("en")),
      h("td", { class: "number" }, row.input_tokens.toLocaleString("en")),
      h("td", { class: "number" }, row.output_tokens.toLocaleString("en")),
      h("td", { class: "number" }, row.complete ? dollars(row.known_usd) : `${dollars(row.known_usd)} and more`),
    ))),
  ));
}
