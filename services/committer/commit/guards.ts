import type { Contract } from "../../../lib/contract/contract.ts";
import {
  emptyAction,
  newColumnDoubts,
  versionDoubts,
  type Before,
  type GuardDoubt,
} from "../../../lib/contract/guards.ts";
import { heldMessage, heldReasonsJson } from "../../../lib/contract/held.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import type { Failure } from "./outcome.ts";

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

export const needsUsualRejects = (file: EndedFile, { accept }: Contract): boolean =>
  isGuarded(file) && accept.rejectsAboveUsualMax !== undefined && file.stage.rejectCount > 0;

/** A repetition repeats what was loaded; a decision, or the table's earlier name, has settled the doubts. */
const isGuarded = ({ end, repeats, settled }: EndedFile): boolean =>
  !repeats && settled !== true && end.outcome !== "deleted";

/**
 * Why the contract's guards keep the file out of the table, all of them; undefined: they let it pass.
 * `onDoubt: fail` fails what a guard would hold. `added`: the columns that the file would add to a table that
 * exists.
 */
export function guardFailure(
  file: EndedFile,
  contract: Contract,
  { before, added }: { before: Before; added: readonly string[] },
): Failure | undefined {
  const isComplete = file.end.outcome === "complete";
  if (!isGuarded(file) || !(isComplete || hasNoRow(file))) return undefined;
  const { rowCount: rows, rejectCount: rowsRejected } = file.stage;
  const doubts = versionDoubts({ rows, rowsRejected, isEmpty: !isComplete }, contract, before);
  return failureOf([...doubts, ...newColumnDoubts(contract, added)]);
}

/** The strictest action counts: one reason to fail fails the file. */
function failureOf(doubts: readonly GuardDoubt[]): Failure | undefined {
  if (doubts.length === 0) return undefined;
  const message = heldMessage(doubts);
  if (doubts.some(({ action }) => action === "fail")) return { code: "FILE_DOUBTFUL", message };
  return { code: "FILE_HELD", message, heldReasonsJson: heldReasonsJson(doubts) };
}
