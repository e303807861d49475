/**
 * The list of tables, and the page of one: status, checks, rejects, schema, contract, maintenance and files.
 */
import { call, query, tablePath } from "./api.js";
import { ago, byId, count, dataTable, element, guarded, pill, redraw, size, tiles, waiting } from "./dom.js";
import { blockedPart, filesOfTable, isBusy, readFiles, tableLink } from "./files.js";
import { rebuildPart } from "./operations/rebuild.js";
import { offerTables } from "./query.js";
import { checksPart, contractFaultCard, contractPart, gateOf, maintenancePart, outcome, part, schemaPart } from "./table-parts.js";
import { causesPart, currentRejects, readRejects, rejectsPart } from "./rejects/rejects.js";
import { renamePart } from "./operations/rename.js";
import { knowTables } from "./upload/upload.js";

const SETTLE_MS = 700;
let selected = "";
/** The parts of the selected table's page; undefined until they have been read. */
let known = {};
/** The part of the page named in the URL, until the page has scrolled to it. */
let pendingPart = "";

/** Shows the list, or the table's page; scrolls to the part `partName`. */
export async function showTables(table, partName) {
  if (selected !== table || !table) {
    outcome.replaceChildren();
    byId("table-overview").replaceChildren();
    byId("table-detail").replaceChildren(table ? waiting(`reading ${table} …`) : "");
    known = {};
  }
  selected = table;
  pendingPart = partName;
  byId("tables-title").textContent = table || "Tables";
  await (table ? refreshTable() : refreshList());
}

/** Reads the list again if it is shown. */
export async function refreshList() {
  if (selected) return;
  await guarded(byId("table-overview"), async () => {
    const { tables } = await call("/v1/tables");
    if (selected) return;
    knowTables(tables);
    offerTables(tables);
    drawList(tables);
  });
}

let timer;
/** Refreshes what a changed file affects, at most every SETTLE_MS. */
export function tableChanged(file) {
  if (byId("view-tables").hidden || (selected && file.table !== selected)) return;
  if (selected && isBusy(file)) return drawTable();
  timer ??= setTimeout(() => {
    timer = undefined;
    void (selected ? refreshTable() : refreshList());
  }, SETTLE_MS);
}

function drawList(tables) {
  redraw(
    byId("table-overview"),
    dataTable(
      "Tables",
      [
        "Table",
        "Contract",
        "Status",
        { name: "Files waiting", numeric: true },
        { name: "Lag", numeric: true },
        "Last commit",
        "",
      ],
      tables.map(({ table, declared, contractFault, exists, lag, blocked, lastCommitAt }) => [
        tableLink(table),
        contractFault
          ? pill("faulty", "bad")
          : declared
            ? "declared"
            : element("span", { class: "hint" }, "default"),
        stateOf(exists, lag, blocked),
        count(lag.files),
        `${lag.oldestSeconds.toFixed(1)} s`,
        element("span", {}, ago(lastCommitAt)),
        exists ? element("a", { href: `#query/${table}`, "aria-label": `Query ${table}` }, "Query") : "",
      ]),
      "No tables yet: the first file creates one.",
    ),
  );
}

const stateOf = (exists, { files }, blocked) =>
  blocked ? pill("blocked") : files > 0 ? pill("loading", "busy") : exists ? pill("up to date", "good") : pill("no files yet");

/**
 * Reads the table's page again if it is shown. Draws each part when it arrives: the warehouse may take
 * seconds.
 */
export async function refreshTable() {
  const name = selected;
  if (!name) return;
  const path = tablePath(name);
  const note = (key) => (value) => {
    if (name !== selected) return;
    known = { ...known, [key]: value };
    if (known.table) drawTable();
  };
  await guarded(byId("table-detail"), async () => {
    await Promise.all([
      call(path).then(note("table")),
      readFiles(name).then(note("files")),
      readRejects(name).then(note("rejects")),
      history("_quality_results", name, 400).then(note("checks")),
      history("_maintenance_log", name, 15).then(note("maintenance")),
      call(`${path}/health`).then(note("health"), () => note("health")(null)),
    ]);
  });
}

function drawTable() {
  const { table, files, rejects, checks, maintenance, health } = known;
  if (!table) return;
  const name = selected;
  const runs = checks && Map.groupBy(checks, (run) => run.check_name);
  redraw(
    byId("table-detail"),
    header(name, table),
    contractFaultCard(table),
    table.blocked && blockedPart(table.blocked),
    outcome,
    numbers(table, health, runs, rejects && currentRejects(name, rejects)),
    element(
      "div",
      { class: "columns" },
      runs ? checksPart(name, table.contract.checks ?? [], runs) : part("Checks", null, waiting("reading …")),
      element("div", {}, schemaPart(table), contractPart(table)),
    ),
    rejects && causesPart(rejects),
    rejects ? rejectsPart(name, rejects, drawTable) : part("Rejected rows", null, waiting("reading …")),
    part(
      "Files",
      null,
      files ? filesOfTable(name, files, drawTable) : waiting("reading …"),
    ),
    maintenance ? maintenancePart(name, maintenance, health) : part("Maintenance", null, waiting("reading …")),
    rebuildPart(table),
    table.exists && renamePart(name),
  );
  if (pendingPart === "rejects" && rejects) {
    pendingPart = "";
    byId("table-detail").querySelector("[aria-label='Rejected rows']").scrollIntoView({ block: "start" });
  }
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
    upsert: `the newest row per ${(key ?? []).join(", ")} wins`,
  })[writeMode] ?? "";

function numbers({ rowCount, lag, freshness, contract }, health, runs, rejects) {
  const states = runs && (contract.checks ?? []).flatMap(({ name }) => runs.get(name)?.[0]?.status ?? []);
  const failing = states?.filter((state) => state !== "passed").length;
  const rejected = rejects?.totalText;
  const gate = gateOf(contract, failing);
  return tiles([
    ["Rows", count(rowCount)],
    ["Last commit", ago(freshness.lastCommitAt)],
    ["Newest data", freshness.lastIngestionDate ?? ago(freshness.lastIngestedAt)],
    ["Files waiting", count(lag.files), lag.files > 0 ? "busy" : null],
    ["Lag", `${lag.oldestSeconds.toFixed(1)} s`, lag.oldestSeconds > 60 ? "bad" : null],
    [
      "Checks",
      !states ? "…" : states.length === 0 ? "–" : failing === 0 ? "passed" : `${failing} failing`,
      !states?.length ? null : failing === 0 ? "good" : "bad",
    ],
    ...(gate ? [["Gate", gate, gate === "held" ? "bad" : "good"]] : []),
    ["Rejected rows", rejected ?? "…", !rejected || rejected === "0" ? null : "bad"],
    ["Size", health === undefined ? "…" : size(health?.dataBytes)],
  ]);
}

/** The table's rows in an internal table, newest first; empty if the key may not query or there are none. */
async function history(log, table, limit) {
  const where = `table_name = '${table.replaceAll("'", "''")}'`;
  const sql = `SELECT * FROM ${log} WHERE ${where} ORDER BY executed_at DESC LIMIT ${limit}`;
  const { columns, rows } = await query(sql).catch(() => ({ columns: [], rows: [] }));
  return rows.map((row) => Object.fromEntries(columns.map(({ name }, at) => [name, row[at]])));
}

document.addEventListener("table-acted", () => void refreshTable());
