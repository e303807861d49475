/** The query view: one SELECT, its rows, and their download as CSV. */
import { query } from "./api.js";
import { csvText } from "./csv.js";
import { announce, button, byId, count, dataTable, element, guarded, plural, redraw, waiting } from "./dom.js";

const ROWS_SHOWN_MAX = 500;
const NUMERIC = /^(tinyint|smallint|integer|int|bigint|hugeint|ubigint|double|real|float|decimal)/i;

const INTERNAL_TABLES = ["_ingest_files", "_rejected_rows", "_dismissed_rows", "_quality_results", "_maintenance_log"];

/** Opens the view; with a table's name, queries its first rows. */
export function showQuery(table) {
  if (!table) return;
  byId("sql").value =
    `SELECT *\nFROM ${/^[a-z_][a-z0-9_]*$/.test(table) ? table : `"${table.replaceAll('"', '""')}"`}\nLIMIT 50`;
  void run();
}

/** Shows a link for each table that can be queried. */
export function offerTables(tables) {
  const names = [...tables.filter(({ exists }) => exists).map(({ table }) => table), ...INTERNAL_TABLES];
  redraw(
    byId("query-tables"),
    names.map((name) => element("a", { class: "chip", href: `#query/${name}`, "data-key": `query ${name}` }, name)),
  );
}

const run = () => guarded(byId("query-result"), runQuery);

async function runQuery() {
  const place = byId("query-result");
  place.replaceChildren(waiting("running …"));
  const startedMs = performance.now();
  const { columns, rows, truncated } = await query(byId("sql").value);
  const tookMs = Math.round(performance.now() - startedMs);
  const summary = `${plural(rows.length, "row")}${truncated ? " (truncated)" : ""} in ${count(tookMs)} ms`;
  place.replaceChildren(
    element(
      "p",
      { class: "head" },
      element("span", {}, summary, rows.length > ROWS_SHOWN_MAX && `, the first ${ROWS_SHOWN_MAX} shown`),
      rows.length > 0 && button("Download as CSV", () => download(columns, rows), { class: "quiet" }),
    ),
    dataTable(
      "Result",
      columns.map(({ name, type }) => ({ name, hint: type, numeric: NUMERIC.test(type) })),
      rows.slice(0, ROWS_SHOWN_MAX),
      "No rows.",
      { wide: true },
    ),
  );
  announce(summary);
}

function download(columns, rows) {
  const header = columns.map(({ name }) => name);
  const url = URL.createObjectURL(new Blob([csvText(header, rows)], { type: "text/csv" }));
  element("a", { href: url, download: "result.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

byId("query-form").addEventListener("submit", (event) => {
  event.preventDefault();
  void run();
});
byId("sql").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("query-form").requestSubmit();
});
