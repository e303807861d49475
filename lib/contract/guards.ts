import { countNoun } from "../errors.ts";
import type { Doubt } from "../formats/format.ts";
import type { Contract } from "./contract.ts";
import type { DoubtAction, HeldReason } from "./held.ts";

/**
 * The guards of a contract: what a new version must meet before its rows replace others. The committer
 * decides by them, and a preview shows what they would say.
 */

/** What guards look at in a version. */
export interface GuardedVersion {
  /** Rows that load. */
  rows: number;
  rowsRejected: number;
  /** True if the file has no byte, or no line: FILE_EMPTY. */
  isEmpty: boolean;
}

/** What the guards compare a new version with. */
export interface Before {
  /** Rows of the file's newest version in the table; undefined: the table has none. */
  rows: number | undefined;
  /** Rows read and rejected of the table's last files; absent: none, or not asked for. */
  usual?: { read: number; rejected: number } | undefined;
  /** Another file with the same content. */
  sameContent: string | undefined;
}

/** A doubt, and what the contract does about it. */
export type GuardDoubt = HeldReason & { action: DoubtAction };

/** Whether a version of the file without rows removes the rows of the version before. */
const removesRows = ({ writeMode, deleteMissing }: Contract): boolean => writeMode === "replace" || deleteMissing;

export function emptyAction(contract: Contract): DoubtAction {
  const { accept, onDoubt } = contract;
  if (accept.empty !== undefined) return accept.empty;
  if (!removesRows(contract)) return "load";
  return onDoubt === "fail" ? "fail" : "hold";
}

/** Why the version may not be what its sender meant to send. */
export function versionDoubts(version: GuardedVersion, contract: Contract, before: Before): GuardDoubt[] {
  const empty = emptyDoubt(version, contract, before);
  const all = version.isEmpty
    ? empty
    : [
        ...empty,
        ...countDoubts(version, contract, before),
        ...rejectDoubts(version, contract, before),
        ...contentDoubts(contract, before),
      ];
  return all.filter(({ action }) => action !== "load");
}

/** `confidence`: of the detected dialect, 0 to 1. */
export function confidenceDoubts(confidence: number | undefined, { accept: { confidenceMin } }: Contract): Doubt[] {
  if (confidence === undefined || confidenceMin === undefined || confidence >= confidenceMin) return [];
  const evidence = `the dialect is ${percent(confidence)} sure; the contract wants ${percent(confidenceMin)}`;
  return [{ reason: "structure_unsure", evidence }];
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** `added`: the columns that the file would add to a table that exists. */
export function newColumnDoubts(contract: Contract, added: readonly string[]): GuardDoubt[] {
  const action = contract.accept.newColumns ?? "load";
  if (added.length === 0 || action === "load") return [];
  const evidence = `the file would add ${added.length === 1 ? "the column" : "the columns"} ${listed(added)}`;
  return [{ reason: "new_columns", evidence, action }];
}

function emptyDoubt(version: GuardedVersion, contract: Contract, { rows = 0 }: Before): GuardDoubt[] {
  if (version.rows > 0 || rows === 0) return [];
  const { rowsRejected, isEmpty } = version;
  const what =
    rowsRejected > 0
      ? `every row of this version is rejected (${rowsRejected})`
      : isEmpty
        ? "this version is empty"
        : "this version has no row";
  const evidence = `${what}; the version before has ${countNoun(rows, "row")}`;
  return [{ reason: "empty_version", evidence, action: emptyAction(contract) }];
}

function countDoubts({ rows }: GuardedVersion, contract: Contract, before: Before): GuardDoubt[] {
  const { shrinkMax, growMax, rowsMin = 0, rowsMax = Infinity } = contract.accept;
  const action = stopAction(contract);
  const doubts: GuardDoubt[] = [];
  const compared = `this version has ${countNoun(rows, "row")}, the version before ${before.rows}`;
  if (before.rows && rows > 0) {
    if (shrinkMax !== undefined && rows < before.rows * (1 - shrinkMax))
      doubts.push({ reason: "shrunk", evidence: `${compared}; shrinkMax is ${shrinkMax}`, action });
    if (growMax !== undefined && rows > before.rows * (1 + growMax))
      doubts.push({ reason: "grown", evidence: `${compared}; growMax is ${growMax}`, action });
  }
  if (rows < rowsMin || rows > rowsMax) {
    const limit = rows < rowsMin ? `rowsMin is ${rowsMin}` : `rowsMax is ${rowsMax}`;
    doubts.push({ reason: "row_count", evidence: `the file has ${countNoun(rows, "row")}; ${limit}`, action });
  }
  return doubts;
}

/** A version whose rows are all rejected loads nothing anyway. */
function rejectDoubts({ rows, rowsRejected }: GuardedVersion, contract: Contract, { usual }: Before): GuardDoubt[] {
  const { rejectsAboveUsualMax: max } = contract.accept;
  if (max === undefined || rows === 0 || rowsRejected === 0) return [];
  const all = rows + rowsRejected;
  const usually = usual && usual.read > 0 ? usual.rejected / usual.read : 0;
  if (rowsRejected / all <= usually + max) return [];
  const compared = `${rowsRejected} of ${countNoun(all, "row")} rejected (${percent(rowsRejected / all)})`;
  const evidence = `${compared}; usual are ${percent(usually)}, and rejectsAboveUsualMax is ${max}`;
  return [{ reason: "many_rejects", evidence, action: stopAction(contract) }];
}

/** What becomes of a file that a guard stops. */
export const stopAction = ({ onDoubt }: Pick<Contract, "onDoubt">): DoubtAction =>
  onDoubt === "fail" ? "fail" : "hold";

function contentDoubts({ accept }: Contract, { sameContent }: Before): GuardDoubt[] {
  if (sameContent === undefined) return [];
  const evidence = `'${sameContent}' has the same content`;
  return [{ reason: "duplicate_content", evidence, action: accept.duplicateContent }];
}

const NAMES_MAX = 10;

const listed = (names: readonly string[]): string =>
  names
    .slice(0, NAMES_MAX)
    .map((name) => `'${name}'`)
    .join(", ") + (names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : "");
