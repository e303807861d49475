import { CatalogError } from "../../catalog/errors.ts";
import type { TableChange } from "../../catalog/commit.ts";
import type { TableIdentifier } from "../../catalog/schemas.ts";
import type { Finding } from "../report.ts";
import type { Scratch, Via } from "../scratch.ts";
import { snapshotIdOf } from "../scratch-commit.ts";

/** Checks of single commits: what is kept, what is refused, what a repetition does. */

export const viasOf = ({ catalog }: Scratch): Via[] =>
  catalog.has("commitTransaction") ? ["table", "transaction"] : ["table"];

export const isConflict = (error: unknown): error is CatalogError =>
  error instanceof CatalogError && error.code === "CATALOG_CONFLICT";

export const isUnknown = (error: unknown): error is CatalogError =>
  error instanceof CatalogError && error.outcome === "unknown";

/** True if the catalog refuses the commit with 409. @throws other failures */
async function isRefused(scratch: Scratch, changes: readonly TableChange[], via: Via): Promise<boolean> {
  try {
    await scratch.commit(changes, via);
    return false;
  } catch (error) {
    if (isConflict(error)) return true;
    throw error;
  }
}

export async function holds(scratch: Scratch, table: TableIdentifier, id: bigint): Promise<boolean> {
  return (await scratch.load(table)).snapshots.some((snapshot) => snapshot.id === id);
}

/** Longer than what a JavaScript number, or a text without escapes, can hold. */
const WATERMARK = { "tributary.watermark": "9007199254740993", "tributary.files": '["a \\"b\\" ✓", "c\\\\d"]' };

export async function checkSummary(scratch: Scratch): Promise<Finding> {
  const table = await scratch.table();
  const base = await scratch.load(table);
  if (base.formatVersion !== 2)
    return { status: "no", details: `a new table has format version ${base.formatVersion}` };
  const change = scratch.change(table, base, WATERMARK);
  await scratch.commit([change], "table");
  const now = await scratch.load(table);
  const snapshot = now.snapshots.find(({ id }) => id === snapshotIdOf(change));
  if (!snapshot)
    return { status: "no", details: "the snapshot of an acknowledged commit has another id, or is missing" };
  const lost = Object.entries(WATERMARK).filter(([name, value]) => snapshot.summary.get(name) !== value);
  if (lost.length > 0) {
    return {
      status: "no",
      details: `the summary loses ${lost.map(([name]) => name).join(", ")}: no place for watermarks`,
    };
  }
  return { status: "yes", details: "format version 2; the id of 64 bits and the summary come back as they were sent" };
}

const SNAPSHOTS = 6;

export async function checkHistory(scratch: Scratch): Promise<Finding> {
  const table = await scratch.table();
  const made: bigint[] = [];
  for (let n = 0; n < SNAPSHOTS; n++) made.push(await scratch.append(table));
  const { snapshots, snapshotLog, currentSnapshotId } = await scratch.load(table);
  const served = made.filter((id) => snapshots.some((snapshot) => snapshot.id === id && snapshot.manifestList));
  const counted = `${served.length} of ${made.length} snapshots are served`;
  if (served.length < made.length)
    return { status: "no", details: `${counted}: no time travel, no recovery by snapshot` };
  if (currentSnapshotId !== made.at(-1)) return { status: "no", details: "the newest snapshot is not the current one" };
  const inOrder = snapshotLog.join() === made.join();
  if (!inOrder) return { status: "partly", details: `${counted}; the snapshot log has another order` };
  return { status: "yes", details: counted };
}

export async function checkStale(scratch: Scratch): Promise<Finding> {
  const wrong: string[] = [];
  for (const via of viasOf(scratch)) {
    const table = await scratch.table();
    const base = await scratch.load(table);
    await scratch.append(table, via);
    // Only what the commit requires is stale: its sequence number is the next one.
    const { lastSequenceNumber } = await scratch.load(table);
    const late = scratch.change(table, { ...base, lastSequenceNumber });
    if (!(await isRefused(scratch, [late], via))) wrong.push(`a stale ${via} commit is not answered with 409`);
    if (await holds(scratch, table, snapshotIdOf(late))) wrong.push(`a stale ${via} commit is applied`);
    const other = scratch.change(table, { ...(await scratch.load(table)), uuid: crypto.randomUUID() });
    if (!(await isRefused(scratch, [other], via)))
      wrong.push(`a ${via} commit for another table's UUID is not refused`);
  }
  if (wrong.length > 0) return { status: "no", details: wrong.join("; ") };
  return { status: "yes", details: `409 and nothing applied (${viasOf(scratch).join(", ")})` };
}

export async function checkRepeated(scratch: Scratch): Promise<Finding> {
  const told: string[] = [];
  for (const via of viasOf(scratch)) {
    const table = await scratch.table();
    const change = scratch.change(table, await scratch.load(table));
    await scratch.commit([change], via);
    const refused = await isRefused(scratch, [change], via);
    const found = (await scratch.load(table)).snapshots.filter(({ id }) => id === snapshotIdOf(change)).length;
    if (found !== 1) return { status: "no", details: `a repeated ${via} commit is there ${found} times` };
    told.push(`${via}: ${refused ? "409" : "acknowledged again"}`);
  }
  return { status: "yes", details: `applied once (${told.join(", ")})` };
}

export async function checkAtomic(scratch: Scratch): Promise<Finding> {
  if (!scratch.catalog.has("commitTransaction")) return { status: "not offered", details: "no transactions" };
  const [good, bad] = [await scratch.table(), await scratch.table()];
  const base = await scratch.load(bad);
  await scratch.append(bad);
  const { lastSequenceNumber } = await scratch.load(bad);
  const stale = { ...base, lastSequenceNumber };
  const changes = [scratch.change(good, await scratch.load(good)), scratch.change(bad, stale)];
  const refused = await isRefused(scratch, changes, "transaction");
  const torn = await holds(scratch, good, snapshotIdOf(changes[0]!));
  if (torn) return { status: "no", details: "a refused transaction changed one of its two tables" };
  if (!refused) return { status: "no", details: "a transaction with a stale part is acknowledged" };
  return { status: "yes", details: "a transaction with a stale part changes none of its tables" };
}
