/** What needs a person: missing workers, rejected rows of all tables, objects of the drop store not loaded. */
import { call } from "./api.js";
import { byId, count, dataTable, element, guarded, plural, redraw } from "./dom.js";
import { groupsTable } from "./rejects/reject-groups.js";
import { outcome, part } from "./table-parts.js";

export const showProblems = () => guarded(byId("problems"), draw);

async function draw() {
  const [drops, rejects, workers] = await Promise.all([readDrops(), call("/v1/rejects"), call("/v1/workers")]);
  redraw(byId("problems"), outcome, workersPart(workers), rejectsPart(rejects), dropsPart(drops));
}

document.addEventListener("table-acted", () => {
  if (!byId("view-problems").hidden) void showProblems();
});

const rejectsPart = ({ total, groups, truncated }) =>
  part(
    "Rejected rows",
    null,
    element("p", { class: "hint" }, `${plural(total, "row")} of all tables${truncated ? ", in the largest groups" : ""}.`),
    groupsTable(groups, { withTable: true }),
  );

const workersPart = ({ workers, missing }) =>
  part(
    "Workers",
    null,
    missing.map((role) => element("p", { class: "card pad" }, `No ${role} runs: its work waits.`)),
    dataTable(
      "Workers that run, and what each works on",
      [
        "Worker",
        "Host",
        { name: "Partitions", numeric: true },
        { name: "Waiting", numeric: true },
        { name: "Seconds behind", numeric: true },
        { name: "Works on", wrap: true },
      ],
      workers.map(({ role, host, partitions, waiting, oldestSeconds, tables }) => [
        role,
        host ?? "this process",
        count(partitions),
        count(waiting),
        count(Math.round(oldestSeconds)),
        tables.join(", "),
      ]),
      "",
    ),
  );

/** Undefined without a drop store. */
async function readDrops() {
  try {
    return await call("/v1/drops");
  } catch (problem) {
    if (problem.code === "NOT_FOUND") return undefined;
    throw problem;
  }
}

function dropsPart(drops) {
  if (!drops) return null;
  const { held, unfit, unfitCount, ignored, ignoredCount, fault } = drops;
  return part(
    "Drop store",
    null,
    fault && element("p", { class: "card pad" }, `The store cannot be listed, so nothing is loaded: ${fault}`),
    held.length > 0 &&
      dataTable(
        "Deletions that wait for a confirmation",
        ["Folder", { name: "Missing", numeric: true }, { name: "Known", numeric: true }, { name: "To confirm", wrap: true }],
        held.map(({ folder, missing, known }) => [
          folder || "/",
          count(missing),
          count(known),
          element("code", {}, `tributary drops confirm ${folder || "/"} ${missing}`),
        ]),
        "",
      ),
    skippedTable("Objects that are not loaded", unfit, "Every object is loaded."),
    unfitCount > unfit.length && element("p", { class: "hint" }, `${plural(unfitCount, "object")} in all.`),
    ignoredCount > 0 && [
      skippedTable("Hidden and unfinished objects", ignored, ""),
      element("p", { class: "hint" }, `${plural(ignoredCount, "hidden or unfinished object")} in all.`),
    ],
  );
}

const skippedTable = (label, objects, empty) =>
  dataTable(
    label,
    [{ name: "Object", wrap: true }, "Kind", { name: "Reason and remedy", wrap: true }],
    objects.map(({ key, kind, reason }) => [key, kind, reason]),
    empty,
  );
