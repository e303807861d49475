import type { GatewayDeps } from "../../http/deps.ts";
import { hasCode, TributaryError } from "../../../../lib/errors.ts";
import { versionEvents } from "../../../../lib/file-versions/events.ts";
import { operationIn, removesTable, WHOLE_TABLE } from "../../../../lib/messages/operation.ts";
import { contentOf, type VersionEvent } from "../../../../lib/messages/repetition.ts";
import type { FileRecord } from "../../../../lib/warehouse/reads/port.ts";
import { makeLedger } from "../../files/ledger.ts";
import { printable } from "../../http/names.ts";
import { makeRejectLedger } from "../../rejects/ledger.ts";
import { unrecordedFile } from "../../rejects/recorded.ts";
import { publishOperation } from "../publish.ts";
import { copyId, eventsSince, outOfOrder, publishCopies, type Begun } from "./copies.ts";
import { listed, planRename, type PlanDeps, type RenamePlan } from "./plan.ts";

export type RenameDeps = PlanDeps & Pick<GatewayDeps, "clock" | "metrics" | "draining" | "logger">;

/** Who renames what. */
export interface Renamed {
  from: string;
  to: string;
  reason: string;
  requestedBy: string;
}

/** How far a renaming is. */
export interface Progress {
  /** Versions that are committed under the new name. */
  copied: number;
  files: number;
}

/** How often files that arrive meanwhile may repeat the last step. */
const ROUNDS_MAX = 20;
const POLL_MS_MIN = 100;
const POLL_MS_MAX = 3_000;
const RECORDED_MAX = 500;

/** The renaming of the table that has the new name; `done`: it has ended. Undefined: none has begun. */
export async function renameBegun(
  deps: Pick<RenameDeps, "log" | "warehouse" | "settings">,
  { from, to }: Pick<Renamed, "from" | "to">,
): Promise<{ begun: Begun; done: boolean; ending: number | undefined } | undefined> {
  const { log, warehouse } = deps;
  const ledger = ledgerOf(deps);
  const [events, aside] = [await versionEvents(log, to), await ledger.setAside(to)];
  const dropped = events.findLast(({ event }) => removesTable(event) && !aside.has(event.fileId))?.offset ?? -1;
  const found = events.find(({ event, offset }) => {
    const operation = offset > dropped && !aside.has(event.fileId) ? operationIn(event) : undefined;
    return operation?.kind === "rename" && operation.step === "begin" && operation.from === from;
  });
  if (!found) return undefined;
  const begun = { fileId: found.event.fileId, offset: found.offset, to };
  const end = (await versionEvents(log, from)).findLast(({ event }) => {
    const operation = operationIn(event);
    return operation?.kind === "rename" && operation.step === "end" && operation.of === begun.fileId;
  });
  if (!end) return { begun, done: false, ending: undefined };
  if (((await warehouse.watermark(from)) ?? -1) < end.offset) return { begun, done: false, ending: end.offset };
  return { begun, done: !(await ledger.setAside(from)).has(end.event.fileId), ending: undefined };
}

type Begin = Awaited<ReturnType<typeof renameBegun>>;

/**
 * What is left to copy; without a plan the last step is taken. That may happen between two lookups, and there
 * is no old table to plan for any more: then `state` is the state after it.
 * @throws as planRename
 */
export async function planLeft(
  deps: RenameDeps,
  { from, to }: Pick<Renamed, "from" | "to">,
  state: Begin,
): Promise<{ state: Begin; plan?: RenamePlan }> {
  const isEnding = (one: Begin): boolean => one?.done === true || one?.ending !== undefined;
  if (isEnding(state)) return { state };
  try {
    return { state, plan: await planRename(deps, from, to) };
  } catch (thrown) {
    const later = hasCode(thrown, "NOT_FOUND") ? await renameBegun(deps, { from, to }) : undefined;
    if (!isEnding(later)) throw thrown;
    return { state: later };
  }
}

const limitsOf = ({ settings }: Pick<RenameDeps, "settings">) => ({ timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT });
const ledgerOf = (deps: Pick<RenameDeps, "warehouse" | "settings">) => makeLedger(deps.warehouse, limitsOf(deps));

/** Versions of the plan that are committed under the new name. */
export async function copiedOf(deps: RenameDeps, plan: RenamePlan, begun: Begun): Promise<number> {
  const present = await eventsSince(deps.log, begun);
  const watermark = (await deps.warehouse.watermark(begun.to)) ?? -1;
  return countCopied(plan, begun, (id) => (present.get(id)?.offset ?? Infinity) <= watermark);
}

const countCopied = (plan: RenamePlan, begun: Begun, isCopied: (fileId: string) => boolean): number =>
  plan.versions.filter(({ event }) => isCopied(copyId(begun, event.fileId))).length;

/**
 * Renames a table: makes the table of the new name, publishes the versions of the old one there, in order,
 * waits until they are committed, and drops the old table. What comes to the old table meanwhile follows. It
 * may stop at any moment: both tables are there then, and the next call continues.
 * @throws RENAME_REFUSED; OVERLOADED if the gateway drains
 */
export async function renameTable(deps: RenameDeps, asked: Renamed, progress: Progress): Promise<void> {
  const { from, to, reason, requestedBy } = asked;
  const state = await renameBegun(deps, asked);
  if (state?.ending !== undefined) {
    await untilDecided(deps, from, state.ending);
    return renameTable(deps, asked, progress);
  }
  if (state?.done) return;
  const begun = state?.begun ?? (await begin(deps, asked));
  await untilBegun(deps, begun);
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    await untilQuiet(deps, from);
    const { plan } = await planLeft(deps, asked, state);
    if (!plan) return renameTable(deps, asked, progress);
    await copyAll(deps, plan, begun, progress);
    if (!(await isWhole(deps, asked, plan, begun))) continue;
    const end = { kind: "rename", step: "end", of: begun.fileId, to, ...plan.recorded, reason, requestedBy } as const;
    const { fileId, offset } = await publishOperation(deps, { table: from, sourceFile: WHOLE_TABLE }, end);
    await untilDecided(deps, from, offset);
    if (!(await ledgerOf(deps).setAside(from)).has(fileId)) return deps.logger.info({ from, to }, "table renamed");
  }
  throw refused(`files keep coming to '${from}': send them to '${to}', and run the rename again`);
}

const refused = (why: string): TributaryError => new TributaryError("RENAME_REFUSED", why);

/** @throws RENAME_REFUSED for a plan with problems */
export function assertRenames({ problems }: RenamePlan): void {
  if (problems.length > 0) throw refused(problems.join("; "));
}

async function begin(deps: RenameDeps, { from, to, reason, requestedBy }: Renamed): Promise<Begun> {
  assertRenames(await planRename(deps, from, to));
  const operation = { kind: "rename", step: "begin", from, reason, requestedBy } as const;
  const { fileId, offset } = await publishOperation(deps, { table: to, sourceFile: WHOLE_TABLE }, operation);
  return { fileId, offset, to };
}

/** @throws RENAME_REFUSED if the new name was taken meanwhile */
async function untilBegun(deps: RenameDeps, begun: Begun): Promise<void> {
  await untilDecided(deps, begun.to, begun.offset);
  const [record] = await deps.warehouse.reads.files.recorded(begun.to, [begun.fileId], limitsOf(deps));
  if (record?.status === "failed") throw refused(record.errorMessage ?? `'${begun.to}' is not free`);
}

async function copyAll(deps: RenameDeps, plan: RenamePlan, begun: Begun, progress: Progress): Promise<void> {
  const { versions, contract } = plan;
  assertRenames(plan);
  assertInOrder(begun, await eventsSince(deps.log, begun), plan);
  await publishCopies(deps, begun, versions, contract.writeMode);
  const present = await eventsSince(deps.log, begun);
  progress.files = versions.length;
  const offsets = new Map(versions.map(({ event }) => [copyId(begun, event.fileId), -1]));
  for (const id of offsets.keys()) offsets.set(id, present.get(id)?.offset ?? -1);
  await untilDecided(deps, begun.to, Math.max(...[-1, ...offsets.values()]), (watermark) => {
    progress.copied = countCopied(plan, begun, (id) => offsets.get(id)! <= watermark);
  });
  assertInOrder(begun, present, plan);
}

function assertInOrder(begun: Begun, present: Parameters<typeof outOfOrder>[1], plan: RenamePlan): void {
  const overtaken = outOfOrder(begun, present, plan.versions, plan.contract.writeMode);
  if (overtaken.length === 0) return;
  const { table } = plan.contract;
  throw refused(
    `${listed(overtaken)} came to '${begun.to}' before the rest of '${table}': drop '${begun.to}', run the ` +
      "rename again, and then send them again",
  );
}

/**
 * Whether the new table has what the old one has; false: the old one has changed since the plan.
 * @throws RENAME_REFUSED if it has less
 */
async function isWhole(deps: RenameDeps, { from, to }: Renamed, plan: RenamePlan, begun: Begun): Promise<boolean> {
  const limits = limitsOf(deps);
  const lacking: string[] = [];
  for (let start = 0; start < plan.versions.length; start += RECORDED_MAX) {
    const chunk = plan.versions.slice(start, start + RECORDED_MAX);
    const ids = chunk.map(({ event }) => copyId(begun, event.fileId));
    const found = await deps.warehouse.reads.files.recorded(to, ids, limits);
    const byId = new Map(found.map((record) => [record.fileId, record]));
    chunk.forEach((item, n) => lacking.push(...lackOf(item, byId.get(ids[n]!), plan)));
  }
  if (lacking.length > 0) {
    const remedy = `Remove the cause, drop '${to}', and run the rename again`;
    throw refused(`the files do not bring the same rows to '${to}': ${someOf(lacking)}. ${remedy}`);
  }
  const rows = (await deps.warehouse.describe(to)) ? await deps.warehouse.reads.rowCount(to, limits) : 0;
  if (rows >= plan.rows) return true;
  const records = await ledgerOf(deps).versions(from, "replace");
  if (records.length !== plan.recorded.files) return false;
  throw refused(
    `'${to}' has ${rows} rows, and '${from}' has ${plan.rows}: some come from no file or from another contract. ` +
      `Compare the tables; if '${from}' is to be what its files say, rebuild it first`,
  );
}

/** What a version does not bring to the new table. A file that came there since goes over an older one. */
function lackOf(item: VersionEvent, copy: FileRecord | undefined, { rowsOf }: RenamePlan): string[] {
  const name = printable(item.event.sourceFile);
  if (!copy) return [`'${name}' is not on record`];
  if (copy.errorCode === "FILE_SUPERSEDED") return [];
  if (copy.errorCode !== null) return [`'${name}' failed, ${copy.errorCode}: ${copy.errorMessage ?? ""}`];
  const [rows, before] = [copy.rowsCommitted ?? 0, rowsOf.get(contentOf(item)) ?? 0];
  return rows < before ? [`'${name}' brings ${rows} rows, not ${before}`] : [];
}

const LACKING_MAX = 10;
const someOf = (lacking: readonly string[]): string =>
  lacking.slice(0, LACKING_MAX).join("; ") +
  (lacking.length > LACKING_MAX ? `; ${lacking.length - LACKING_MAX} more` : "");

/** Waits until the files that are on their way have ended, and are on record. */
async function untilQuiet(deps: RenameDeps, table: string): Promise<void> {
  const { view, clock, warehouse } = deps;
  await poll(deps, async () => view.lag(table).files === 0);
  await unrecordedFile({ view, clock, ledger: makeRejectLedger(warehouse, limitsOf(deps)) }, table);
}

/** Waits until everything up to the offset is on record of the table. */
const untilDecided = (
  deps: RenameDeps,
  table: string,
  offset: number,
  seen: (watermark: number) => void = () => undefined,
): Promise<void> =>
  poll(deps, async () => {
    const watermark = (await deps.warehouse.watermark(table)) ?? -1;
    seen(watermark);
    return watermark >= offset;
  });

/** @throws OVERLOADED if the gateway drains */
async function poll({ clock, draining }: RenameDeps, isOver: () => Promise<boolean>): Promise<void> {
  for (let waitMs = POLL_MS_MIN; !(await attempt(isOver)); waitMs = Math.min(POLL_MS_MAX, waitMs * 1.5)) {
    await clock.sleep(waitMs, draining);
    if (draining.aborted) throw new TributaryError("OVERLOADED", "the gateway stops; run the rename again");
  }
}

/** A lookup that fails is repeated: the warehouse may be away for a while. */
async function attempt(isOver: () => Promise<boolean>): Promise<boolean> {
  try {
    return await isOver();
  } catch (thrown) {
    if (hasCode(thrown, "WAREHOUSE_UNAVAILABLE") || hasCode(thrown, "QUERY_TIMEOUT")) return false;
    throw thrown;
  }
}
