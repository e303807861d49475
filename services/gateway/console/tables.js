/** The tables; and of one: its state, checks, rejects, schema, contract, maintenance and files. */
import { call, query, tablePath } from "./api.js";
import { ago, byId, count, dataTable, element, guarded, pill, redraw, size, tiles, waiting } from "./dom.js";
import { fileTable, filesOf, isBusy, tableLink } from "./files.js";
import {
  checksPart,
  contractPart,
  maintenancePart,
  outcome,
  part,
  rejectsPart,
  schemaPart,
  standing,
} from "./table-parts.js";
import { knowTables } from "./upload.js";

const REJECTS_SHOWN = 200;
const FILES_SHOWN = 20;
const SETTLE_MS = 700;
let selected = "";
let drawnFor = "";

/** Draws the list, or the table's page. */
export async function showTables(table) {
  selected = table;
  if (drawnFor !== table) {
    outcome.replaceChildren();
    byId("table-detail").replaceChildren(table ? waiting(`reading ${table} …`) : "");
  }
  byId("tables-title").textContent = table || "Tables";
  await refreshTable();
}

/** Reads again what is shown. */
export const refreshTable = () =>
  guarded(byId(selected ? "table-detail" : "table-overview"), () => (selected ? showTable(selected) : showList()));

let timer;
/** A file has ended: what it changes is read again, not more often than every SETTLE_MS. */
export function tableChanged(file) {
  if (byId("view-tables").hidden || (selected && file.table !== selected)) return;
  if (selected && isBusy(file)) return;
  timer ??= setTimeout(() => {
    timer = undefined;
    void refreshTable();
  }, SETTLE_MS);
}

async function showList() {
  const { tables } = await call("/v1/tables");
  if (selected) return;
  knowTables(tables);
  byId("table-detail").replaceChildren();
  drawnFor = "";
  redraw(
    byId("table-overview"),
    dataTable(
      "Tables",
      [
        "Table",
        "Contract",
        "State",
        { name: "Files waiting", numeric: true },
        { name: "Seconds behind", numeric: true },
        "Last commit",
        "",
      ],
      tables.map(({ table, declared, exists, lag, lastCommitAt }) => [
        tableLink(table),
        declared ? "declared" : element("span", { class: "hint" }, "default"),
        stateOf(exists, lag),
        count(lag.files),
        lag.oldestSeconds.toFixed(1),
        element("span", {}, ago(lastCommitAt)),
        exists ? element("a", { href: `#query/${table}`, "aria-label": `Query ${table}` }, "Query") : "",
      ]),
      "No tables yet: the first file makes one.",
    ),
  );
}

const stateOf = (exists, { files }) =>
  files > 0 ? pill("loading", "busy") : exists ? pill("up to date", "good") : pill("no file yet");

async function showTable(name) {
  const path = tablePath(name);
  const [table, all, checks, maintenance, health] = await Promise.all([
    call(path),
    call(`${path}/rejects?limit=${REJECTS_SHOWN}`),
    history("_quality_results", name, 400),
    history("_maintenance_log", name, 15),
    call(`${path}/health`).catch(() => undefined),
  ]);
  if (name !== selected) return;
  drawnFor = name;
  const rejects = standing(name, all.rejects);
  const runs = Map.groupBy(checks, (run) => run.check_name);
  byId("table-overview").replaceChildren();
  redraw(
    byId("table-detail"),
    header(name, table),
    outcome,
    numbers(
      table,
      health,
      [...runs.values()].map(([last]) => last.status),
      `${count(rejects.length)}${all.nextCursor ? "+" : ""}`,
    ),
    element(
      "div",
      { class: "columns" },
      checksPart(name, table.contract.checks ?? [], runs),
      element("div", {}, schemaPart(table), contractPart(table)),
    ),
    rejectsPart(name, rejects, all),
    part(
      "Files",
      null,
      fileTable(`Files of ${name}, newest first`, filesOf(name).slice(0, FILES_SHOWN), { withTable: false }),
    ),
    maintenancePart(name, maintenance, health),
  );
}

const header = (name, { exists, lag, contract }) =>
  element(
    "p",
    { class: "head" },
    element(
      "span",
      { class: "row" },
      element("a", { href: "#tables", "data-key": "back" }, "All tables"),
      stateOf(exists, lag),
      element("span", { class: "hint" }, writeText(contract)),
    ),
    element("a", { class: "button quiet", href: `#query/${name}`, "data-key": "query" }, "Query"),
  );

const writeText = ({ writeMode, key }) =>
  ({
    replace: "a new version of a file replaces its rows",
    append: "rows are appended",
    upsert: `newest row per ${(key ?? []).join(", ")} wins`,
  })[writeMode] ?? "";

const passedText = (states) =>
  states.length === 0
    ? "–"
    : states.every((state) => state === "passed")
      ? "passed"
      : `${states.filter((state) => state !== "passed").length} failing`;

const numbers = ({ rowCount, lag, freshness }, health, checkStates, rejected) =>
  tiles([
    ["Rows", count(rowCount)],
    ["Last commit", ago(freshness.lastCommitAt)],
    ["Newest data", freshness.lastIngestionDate ?? ago(freshness.lastIngestedAt)],
    ["Files waiting", count(lag.files), lag.files > 0 ? "busy" : null],
    ["Behind", `${lag.oldestSeconds.toFixed(1)} s`, lag.oldestSeconds > 60 ? "bad" : null],
    [
      "Checks",
      passedText(checkStates),
      checkStates.length === 0 ? null : checkStates.every((state) => state === "passed") ? "good" : "bad",
    ],
    ["Rejected rows", rejected, rejected === "0" ? null : "bad"],
    ["Size", size(health?.dataBytes)],
  ]);

/** A log of the warehouse about the table, newest first; empty where the key may not query, or nothing has been logged. */
async function history(log, table, limit) {
  const sql = `SELECT * FROM ${log} WHERE table_name = '${table.replaceAll("'", "''")}' ORDER BY executed_at DESC LIMIT ${limit}`;
  const { columns, rows } = await query(sql).catch(() => ({ columns: [], rows: [] }));
  return rows.map((row) => Object.fromEntries(columns.map(({ name }, at) => [name, row[at]])));
}

document.addEventListener("table-acted", () => void refreshTable());
