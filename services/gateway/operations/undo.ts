import { TributaryError } from "../../../lib/errors.ts";
import type { VersionEvent } from "../../../lib/messages/repetition.ts";
import { versionOf } from "../../../lib/messages/repetition.ts";
import type { Contract } from "../../../lib/contract/contract.ts";
import { makeLedger, type Ledger } from "../files/ledger.ts";
import type { GatewayDeps } from "../http/deps.ts";
import { printable } from "../http/names.ts";
import { versionHistory, withRawBytes } from "../../../lib/file-versions/history.ts";
import { selectReplays } from "../../../lib/file-versions/select.ts";
import { publishReplays } from "../replays/replay.ts";
import type { Checked, Loss, Repeated } from "./undo-check.ts";
import { publishOperation, type Published } from "./publish.ts";

/** What an undo will do. */
export interface UndoPlan {
  /** Rows of the table that came from the file. */
  rows: number;
  /** Versions of the file, committed or on their way. */
  versions: number;
  /** Versions of other files that are read again, so that the keys get their earlier versions back. */
  again: VersionEvent[];
  /** Those of `again` whose raw bytes are gone. */
  missing: VersionEvent[];
}

type UndoDeps = Pick<GatewayDeps, "log" | "blob" | "clock" | "metrics" | "warehouse" | "settings">;

/** The versions that the undo of a file reads again. @throws UNDO_REFUSED */
export async function readAgain(deps: UndoDeps, contract: Contract, sourceFile: string): Promise<VersionEvent[]> {
  const plan = await planUndo(deps, contract, sourceFile);
  const refusal = planRefusal(plan, contract);
  if (refusal) throw refusal;
  return plan.again;
}

export async function planUndo(deps: UndoDeps, contract: Contract, sourceFile: string): Promise<UndoPlan> {
  const { warehouse, settings } = deps;
  const { table, writeMode } = contract;
  const limits = { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT };
  const exists = (await warehouse.describe(table)) !== undefined;
  const rows = exists ? await warehouse.reads.fileRowCount(table, sourceFile, limits) : 0;
  const past = { ...deps, ledger: makeLedger(warehouse, limits) };
  const history = await versionHistory(past, table, writeMode);
  const versions = history.filter(({ event }) => event.sourceFile === sourceFile).length;
  if (writeMode !== "upsert") return { rows, versions, again: [], missing: [] };
  const { present, missing } = await withRawBytes(deps, await toRepeat(past.ledger, history, contract, sourceFile));
  return { rows, versions, again: present, missing };
}

/**
 * The versions of the table's other files whose rows may be under those of the file: all that did not fail.
 * Also later ones: a row that they repeat unchanged stays the file's row.
 */
async function toRepeat(
  ledger: Ledger,
  history: readonly VersionEvent[],
  { table, writeMode }: Contract,
  sourceFile: string,
): Promise<VersionEvent[]> {
  const loaded = new Map<number, boolean>();
  for (const version of await ledger.versions(table, writeMode)) {
    const offset = version.versionOffset ?? version.sourceOffset;
    loaded.set(offset, loaded.get(offset) === true || !version.isFailed);
  }
  return selectReplays(history, writeMode, {}).filter(
    (item) => item.event.sourceFile !== sourceFile && loaded.get(versionOf(item)) !== false,
  );
}

/** Why the undo is refused before the other files are read; undefined: nothing is against it. */
export function planRefusal({ missing, again }: UndoPlan, contract: Contract): TributaryError | undefined {
  const { table, deleteMissing } = contract;
  if (deleteMissing && again.length > 0) {
    return new TributaryError(
      "UNDO_REFUSED",
      `table '${table}' has deleteMissing and other files: which keys they have dropped since is not on record`,
    );
  }
  if (missing.length === 0) return undefined;
  const names = [...new Set(missing.map(({ event }) => printable(event.sourceFile)))];
  const gone = `the raw bytes of ${named(names, ", ")} are gone: their earlier rows cannot come back`;
  return new TributaryError("UNDO_REFUSED", gone);
}

/** Why the undo is refused after the other files were read. */
export function lossRefusal({ lost, complete }: Checked): TributaryError | undefined {
  if (lost.length === 0 && complete) return undefined;
  const message =
    lost.length === 0
      ? "the other files are too large to be checked here: whether all their earlier rows load again is not known"
      : `earlier rows would not come back, the present contract refuses them: ${lostText(lost)}`;
  return new TributaryError("UNDO_REFUSED", message);
}

export const lostText = (lost: readonly Loss[]): string =>
  named(
    lost.map(({ error }) => error),
    "; ",
  );

const named = (names: readonly string[], between: string): string =>
  names.slice(0, NAMED_MAX).join(between) + (names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : "");

const NAMED_MAX = 10;

/**
 * Publishes the undo. In an upsert table the versions that it reads again (`toRepeat`) are looked up after
 * its first step, so that no version is forgotten that came before it: what comes after it takes the keys
 * over by itself. If the gateway stops in between, the file's rows are still there, and the undo is repeated.
 */
export async function publishUndo(
  deps: Pick<GatewayDeps, "log" | "clock" | "metrics">,
  { table, writeMode }: Pick<Contract, "table" | "writeMode">,
  { sourceFile, reason, requestedBy }: { sourceFile: string; reason: string; requestedBy: string },
  toRepeat: () => Promise<readonly VersionEvent[]>,
): Promise<Published & { repeated: Repeated[] }> {
  const file = { table, sourceFile };
  const undo = { kind: "undo", reason, requestedBy } as const;
  if (writeMode !== "upsert") {
    return { ...(await publishOperation(deps, file, { ...undo, step: "remove" })), repeated: [] };
  }
  const { offset: at } = await publishOperation(deps, file, { ...undo, step: "demote" });
  const repeated = await publishReplays(deps, await toRepeat(), "repetitions");
  return { ...(await publishOperation(deps, file, { ...undo, step: "remove", at })), repeated };
}
