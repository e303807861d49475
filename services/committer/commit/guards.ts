import type { Contract } from "../../../lib/contract/contract.ts";
import { heldMessage, heldReasonsJson, type DoubtAction, type HeldReason } from "../../../lib/contract/held.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import type { Failure } from "./outcome.ts";

/** What the guards compare a new version with. */
export interface Before {
  /** Rows of the file's newest version in the table; undefined: the table has none. */
  rows: number | undefined;
  /** Another file with the same content. */
  sameContent: string | undefined;
}

type Doubt = HeldReason & { action: DoubtAction };

/** Whether a version of the file without rows removes the rows of the version before. */
const removesRows = ({ writeMode, deleteMissing }: Contract): boolean => writeMode === "replace" || deleteMissing;

/** A version without a row that loads: no byte, only a header, or every row rejected. */
export const hasNoRow = ({ end, stage }: EndedFile): boolean =>
  (end.outcome === "complete" && stage.rowCount === 0) || end.errorCode === "FILE_EMPTY";

/** Whether `guardFailure` needs to know the rows of the version before. */
export const needsRowsBefore = (file: EndedFile, contract: Contract): boolean =>
  isGuarded(file) &&
  ((hasNoRow(file) && emptyAction(contract) !== "load") ||
    contract.accept.shrinkMax !== undefined ||
    contract.accept.growMax !== undefined);

export const needsSameContent = (file: EndedFile, { accept }: Contract): boolean =>
  isGuarded(file) && accept.duplicateContent !== "load" && file.end.outcome === "complete";

/** A repetition repeats what was loaded, and a decision has settled the doubts. */
const isGuarded = ({ end, repeats }: EndedFile): boolean => !repeats && end.outcome !== "deleted";

/** `added`: the columns that the file would add to a table that exists. */
export const newColumnsFailure = (
  file: EndedFile,
  contract: Contract,
  added: readonly string[],
): Failure | undefined =>
  isGuarded(file) && added.length > 0
    ? failureOf([
        {
          reason: "new_columns",
          evidence: `the file would add ${added.length === 1 ? "the column" : "the columns"} ${listed(added)}`,
          action: contract.accept.newColumns ?? "load",
        },
      ])
    : undefined;

/**
 * Why the contract's guards keep the file out of the table; undefined: they let it pass. `onDoubt: fail`
 * fails what a guard would hold.
 */
export function guardFailure(file: EndedFile, contract: Contract, before: Before): Failure | undefined {
  if (!isGuarded(file)) return undefined;
  const empty = emptyDoubt(file, contract, before);
  if (file.end.outcome !== "complete") return failureOf(empty);
  return failureOf([...empty, ...countDoubts(file, contract, before), ...contentDoubts(contract, before)]);
}

function emptyAction(contract: Contract): DoubtAction {
  const { accept, onDoubt } = contract;
  if (accept.empty !== undefined) return accept.empty;
  if (!removesRows(contract)) return "load";
  return onDoubt === "fail" ? "fail" : "hold";
}

function emptyDoubt(file: EndedFile, contract: Contract, { rows = 0 }: Before): Doubt[] {
  if (!hasNoRow(file) || rows === 0) return [];
  const { rejectCount } = file.stage;
  const what =
    rejectCount > 0
      ? `every row of this version is rejected (${rejectCount})`
      : file.end.outcome === "complete"
        ? "this version has no row"
        : "this version is empty";
  const evidence = `${what}; the version before has ${countNoun(rows, "row")}`;
  return [{ reason: "empty_version", evidence, action: emptyAction(contract) }];
}

function countDoubts({ stage }: EndedFile, { accept, onDoubt }: Contract, before: Before): Doubt[] {
  const { shrinkMax, growMax, rowsMin = 0, rowsMax = Infinity } = accept;
  const rows = stage.rowCount;
  const action = onDoubt === "fail" ? "fail" : "hold";
  const doubts: Doubt[] = [];
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

function contentDoubts({ accept }: Contract, { sameContent }: Before): Doubt[] {
  if (sameContent === undefined) return [];
  const evidence = `'${sameContent}' has the same content`;
  return [{ reason: "duplicate_content", evidence, action: accept.duplicateContent }];
}

/** The strictest action counts: one reason to fail fails the file. */
function failureOf(all: readonly Doubt[]): Failure | undefined {
  const doubts = all.filter(({ action }) => action !== "load");
  if (doubts.length === 0) return undefined;
  const message = heldMessage(doubts);
  if (doubts.some(({ action }) => action === "fail")) return { code: "FILE_DOUBTFUL", message };
  return { code: "FILE_HELD", message, heldReasonsJson: heldReasonsJson(doubts) };
}

const countNoun = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;

const NAMES_MAX = 10;

const listed = (names: readonly string[]): string =>
  names
    .slice(0, NAMES_MAX)
    .map((name) => `'${name}'`)
    .join(", ") + (names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : "");
