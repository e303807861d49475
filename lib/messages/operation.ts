import { TributaryError } from "../errors.ts";
import { rowMessages } from "./avro.ts";
import type { RowMessage } from "./generated.ts";

/**
 * - `remove`: the rows of the file go.
 * - `demote`, in upsert tables before it: the rows of the file become older than every other version. The
 *   files whose versions the events between the two steps repeat take their keys over; `remove` then removes
 *   the keys that no other file has. Until a key has its earlier version, it keeps its row.
 */
export type UndoStep = "demote" | "remove";

/** Who asked for an operation, and why. */
interface Asked {
  reason: string;
  requestedBy: string;
}

/**
 * An operation on a table that takes its place among the table's files: what was sent before it is under it,
 * what is sent later is not. It travels as the deletion of a file. A version that does not know operations
 * carries out that instead.
 *
 * - `undo` takes back what the event's file brought before the place `at`: that of the `demote`, or else of
 *   the event.
 * - `drop`: the table goes, and what is on record of its files.
 * - `rebuild`: the table's files are read again under the present contract, into a new table that takes the
 *   place of the old one.
 * - `rename` has two steps, each on a table of its own. Between them the files of the old table are published
 *   under the new name. `begin` makes the table of the new name, empty, with the columns of the table `from`.
 *   `end` drops the old table, unless more is on record of it than the renaming has seen.
 */
export type TableOperation = Asked &
  ({ kind: "undo"; step: UndoStep; at?: number } | { kind: "drop" | "rebuild" } | Renaming);

/**
 * `of`: file id of the event that began it. `files`: records of the old table's files that it has seen; `at`:
 * the last one's offset.
 */
export type Renaming =
  | { kind: "rename"; step: "begin"; from: string }
  | { kind: "rename"; step: "end"; of: string; to: string; files: number; at: number };

export const operationJsonOf = (operation: TableOperation): string => JSON.stringify(operation);

/**
 * The operation of a message; undefined: it is about a file.
 * @throws MESSAGE_TOO_NEW for an operation that this version does not know
 */
export function operationIn({ operationJson }: { operationJson?: string | null }): TableOperation | undefined {
  if (operationJson === undefined || operationJson === null) return undefined;
  const fields = fieldsOf(operationJson);
  const { kind, step, at, reason = "", requestedBy = "" } = fields;
  const asked = { reason: String(reason), requestedBy: String(requestedBy) };
  if (kind === "drop" || kind === "rebuild") return { kind, ...asked };
  if (kind === "undo" && (step === "demote" || step === "remove")) {
    return { kind, step, ...asked, ...(typeof at === "number" ? { at } : {}) };
  }
  const renaming = kind === "rename" ? renamingIn(fields) : undefined;
  if (renaming) return { ...renaming, ...asked };
  throw new TributaryError("MESSAGE_TOO_NEW", `unknown operation on a table: ${operationJson.slice(0, 200)}`);
}

function renamingIn({ step, from, of, to, files, at }: Fields): Renaming | undefined {
  if (step === "begin" && typeof from === "string") return { kind: "rename", step, from };
  if (step !== "end" || typeof of !== "string" || typeof to !== "string") return undefined;
  if (typeof files !== "number" || typeof at !== "number") return undefined;
  return { kind: "rename", step, of, to, files, at };
}

/** Whether the table goes with the event: what follows makes a new one. The end of a renaming may fail. */
export function removesTable(event: { operationJson?: string | null }): boolean {
  const operation = operationIn(event);
  return operation?.kind === "drop" || (operation?.kind === "rename" && operation.step === "end");
}

/** The offset before which the event undoes its file; undefined: it is no undo. */
export function undoneBefore({
  event,
  offset,
}: {
  event: { operationJson?: string | null };
  offset: number;
}): number | undefined {
  const operation = operationIn(event);
  return operation?.kind === "undo" ? (operation.at ?? offset) : undefined;
}

type Fields = Partial<
  Record<"kind" | "step" | "at" | "reason" | "requestedBy" | "from" | "of" | "to" | "files", unknown>
>;

function fieldsOf(text: string): Fields {
  try {
    return (JSON.parse(text) ?? {}) as object;
  } catch {
    return {};
  }
}

/** Decodes a row message. @throws MESSAGE_TOO_NEW also for an unknown operation */
export function readRowMessage(value: Buffer): RowMessage {
  const message = rowMessages.decode(value);
  operationIn(message);
  return message;
}

/** The file name of events that are about a whole table. No file has it: names do not begin with a slash. */
export const WHOLE_TABLE = "/";
