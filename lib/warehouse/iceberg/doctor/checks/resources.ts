import { messageOf } from "../../../../errors.ts";
import { ENDPOINTS, type Endpoint } from "../../catalog/config.ts";
import { CatalogError } from "../../catalog/errors.ts";
import type { Finding } from "../report.ts";
import { COLUMNS, randomName, type Scratch } from "../scratch.ts";
import { isConflict } from "./commits.ts";

/** Checks of endpoints, names and views. */

const NEEDED: readonly Endpoint[] = ["createTable", "loadTable", "commitTable", "dropTable", "listTables"];

export async function checkEndpoints({ catalog }: Scratch): Promise<Finding> {
  const names = Object.keys(ENDPOINTS) as Endpoint[];
  const missing = names.filter((name) => !catalog.has(name)).map((name) => ENDPOINTS[name]);
  const source = catalog.config.listsEndpoints ? "lists its endpoints" : "lists no endpoints";
  const idempotency = catalog.config.idempotencyKeyLifetime;
  const about = [source, ...(idempotency === undefined ? [] : [`remembers Idempotency-Key for ${idempotency}`])].join(
    "; ",
  );
  const lacking = NEEDED.filter((name) => !catalog.has(name));
  if (lacking.length > 0)
    return { status: "no", details: `lacks ${lacking.map((name) => ENDPOINTS[name]).join(", ")}` };
  if (missing.length > 0) return { status: "partly", details: `${about}; without ${missing.join(", ")}` };
  return { status: "yes", details: about };
}

/** Kinds of names, each made of a name that nobody uses. */
const NAMES: readonly (readonly [kind: string, name: (own: string) => string])[] = [
  ["capital letters", (own) => `Doctor_${own}`],
  ["a leading underscore", (own) => `_${own}`],
  ["a leading digit", (own) => `1${own}`],
  ["a hyphen", (own) => `doc-tor${own}`],
  ["a dot", (own) => `doc.tor${own}`],
  ["a space", (own) => `doc tor${own}`],
  ["other letters", (own) => `döktor${own}`],
  ["128 characters", (own) => own.padEnd(128, "d")],
];

/** What becomes of a table's name: it stays, is refused, or is another one. */
async function fateOf(scratch: Scratch, name: string): Promise<"kept" | "refused" | "changed"> {
  try {
    await scratch.table(name);
  } catch (error) {
    if (error instanceof CatalogError && error.outcome === "none") return "refused";
    throw error;
  }
  const listed = await scratch.catalog.listTables(scratch.namespace);
  return listed.some((table) => table.name === name) ? "kept" : "changed";
}

export async function checkNames(scratch: Scratch): Promise<Finding> {
  const fates = new Map<string, string[]>();
  for (const [kind, name] of NAMES) {
    const fate = await fateOf(scratch, name(randomName()));
    fates.set(fate, [...(fates.get(fate) ?? []), kind]);
  }
  const parts = [...fates].map(([fate, kinds]) => `${fate}: ${kinds.join(", ")}`);
  return { status: fates.size === 1 && fates.has("kept") ? "yes" : "partly", details: parts.join("; ") };
}

export async function checkRegister(scratch: Scratch): Promise<Finding> {
  if (!scratch.catalog.has("registerTable"))
    return { status: "not offered", details: "no endpoint to register tables" };
  const table = await scratch.table();
  const id = await scratch.append(table);
  const { metadataLocation } = await scratch.catalog.loadTable(table);
  if (metadataLocation === undefined) return { status: "no", details: "a table has no metadata location" };
  const copy = scratch.nameOf(`${table.name}_registered`);
  scratch.willDrop(`table ${copy.name}`, () => scratch.catalog.dropTable(copy));
  await scratch.catalog.registerTable(copy, metadataLocation);
  // Not the answer to the registration: SeaweedFS 4.48 shows the snapshots there, and an empty table later.
  const { currentSnapshotId } = await scratch.load(copy);
  if (currentSnapshotId !== id) return { status: "no", details: "a registered table is there without its snapshots" };
  return { status: "yes", details: "a table is registered from its metadata file" };
}

export async function checkRename(scratch: Scratch): Promise<Finding> {
  if (!scratch.catalog.has("renameTable")) return { status: "not offered", details: "no endpoint to rename tables" };
  const table = await scratch.table();
  const id = await scratch.append(table);
  const renamed = scratch.nameOf(`${table.name}_renamed`);
  scratch.willDrop(`table ${renamed.name}`, () => scratch.catalog.dropTable(renamed));
  await scratch.catalog.renameTable(table, renamed);
  const { currentSnapshotId } = await scratch.load(renamed);
  if (currentSnapshotId !== id) return { status: "no", details: "a renamed table has another snapshot" };
  return { status: "yes", details: "a renamed table keeps its history" };
}

export async function checkViews(scratch: Scratch): Promise<Finding> {
  if (!scratch.catalog.has("createView")) return { status: "not offered", details: "no endpoints of views" };
  const name = `doctor_view_${randomName()}`;
  const view = scratch.nameOf(name);
  scratch.willDrop(`view ${name}`, () => scratch.catalog.dropView(view));
  const sql = { sql: "SELECT 1 AS id", dialect: "trino", defaultNamespace: scratch.namespace };
  const atMs = scratch.clock.nowMs();
  try {
    await scratch.catalog.createView(scratch.namespace, { name, columns: COLUMNS, ...sql, atMs });
  } catch (error) {
    if (isMissing(error)) return { status: "not offered", details: "no endpoints of views" };
    throw error;
  }
  await scratch.catalog.loadView(view);
  await scratch.catalog.dropView(view);
  return { status: "yes", details: "a view is created, loaded and dropped" };
}

const isMissing = (error: unknown): boolean =>
  error instanceof CatalogError && (error.code === "CATALOG_NOT_FOUND" || error.code === "CATALOG_UNSUPPORTED");

/** Whether a name that is taken is refused. SeaweedFS 4.48 answers with the table that is there. */
export async function checkCreate(scratch: Scratch): Promise<Finding> {
  const table = await scratch.table();
  const { uuid } = await scratch.load(table);
  try {
    await scratch.table(table.name);
  } catch (error) {
    if (isConflict(error)) return { status: "yes", details: "409, and the table stays" };
    throw error;
  }
  const stays = (await scratch.load(table)).uuid === uuid;
  const details = stays ? "the table that is there is answered and stays" : "the table is replaced";
  return { status: stays ? "partly" : "no", details };
}

/** A check that fails says so in its own line; the others still run. */
export const failedFinding = (error: unknown): Finding =>
  error instanceof CatalogError && error.code === "CATALOG_UNSUPPORTED"
    ? { status: "not offered", details: messageOf(error) }
    : { status: "unknown", details: messageOf(error) };
