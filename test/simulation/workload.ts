import { operationIn, undoneBefore } from "../../lib/messages/operation.ts";
import { contractSchema, type Contract } from "../../lib/contract/contract.ts";
import type { FileEvent } from "../../lib/messages/generated.ts";
import { withoutUndone } from "../../lib/file-versions/history.ts";
import { contentOf, isCorrection, isRepetition, versionOf } from "../../lib/messages/repetition.ts";
import { ModelTable, type ModelFile, type ModelRow } from "../support/warehouse-model.ts";
import type { Scheduler } from "./scheduler.ts";

const COLUMNS = [
  { name: "id", type: "INTEGER" },
  { name: "name", type: "VARCHAR" },
];
/** The columns of every table, in this order; a column that a table lacks is NULL. */
export const COLUMN_NAMES = ["id", "name", "extra"];
const REJECTS_MAX = 2;

/** One table per write mode. */
export const CONTRACTS: readonly Contract[] = [
  { table: "evolving", onDelete: "remove" },
  { table: "strict", columns: COLUMNS, rejects: { countMax: REJECTS_MAX }, onDelete: "remove" },
  {
    table: "upserts",
    columns: COLUMNS,
    writeMode: "upsert",
    key: ["id"],
    checks: [{ name: "unique", type: "uniqueness", column: "id" }],
  },
  { table: "mirror", columns: COLUMNS, writeMode: "upsert", key: ["id"], deleteMissing: true, onDelete: "remove" },
  { table: "appends", columns: COLUMNS, writeMode: "append", accept: { rowsMin: 2 } },
  { table: "flipping", onDelete: "remove" },
].map(contractFrom);

function contractFrom(declared: object): Contract {
  return contractSchema.parse({ dialect: { delimiter: ",", header: true, encoding: "utf-8" }, ...declared });
}

/** The table whose owner declares its key as text, and takes that back; each time it is rebuilt. */
export const FLIPPING_TABLE = "flipping";
export const FLIPPED = contractFrom({
  table: FLIPPING_TABLE,
  onDelete: "remove",
  columns: [{ name: "id", type: "VARCHAR" }],
});

/** The types of this table's columns depend on its history, which a rebuild forgets. */
export const mayRebuild = (table: string): boolean => table !== MISTAKEN_TABLE;

/**
 * Files of this name are parsed under a contract that is wrong at that moment: it declares a column of text as
 * a number. It is taken back for all other files.
 */
export const MISTAKEN_NAME = "mistaken.csv";

/** The table whose contract is mistaken at times. */
export const MISTAKEN_TABLE = "evolving";

/** The contract under which the parser reads a file. */
export function contractFor(contract: Contract, sourceFile: string): Contract {
  if (contract.table !== MISTAKEN_TABLE || sourceFile !== MISTAKEN_NAME) return contract;
  return contractSchema.parse({ ...contract, columns: [{ name: "name", type: "INTEGER" }] });
}

/** A file that fits the mistaken contract. The table, where `name` is text, refuses it. */
export function mistakenContent(scheduler: Scheduler): Content {
  const names = Array.from({ length: 1 + scheduler.integer(4) }, () => String(scheduler.integer(9)));
  const rows = names.map((name, at) => [String(at + 1), name, null]);
  return { text: `id,name\n${rows.map(([id, name]) => `${id},${name}\n`).join("")}`, rows };
}

/**
 * Files with as many rows are in doubt, as if detection had said so. What detection says of the other files
 * does not count: their short rows are meant.
 */
export const DOUBTFUL_ROWS = 5;

export const contractOf = (table: string): Contract => CONTRACTS.find((contract) => contract.table === table)!;

/** A file's text, and the expected cells of each row; null for a rejected row. */
export interface Content {
  text: string;
  rows: (readonly (string | null)[] | null)[];
}

/** A random file for a table. `extraIsText`: the table's column `extra` is known to be text. */
export function randomContent(scheduler: Scheduler, table: string, extraIsText: boolean): Content {
  const evolving = table === "evolving";
  const badShare = evolving ? 0 : scheduler.pick([0, 0, 0.1, 0.6]);
  const hasExtra = evolving && scheduler.chance(0.3);
  const rows: Content["rows"] = [];
  const lines = [hasExtra ? "id,name,extra" : "id,name"];
  for (let count = scheduler.integer(9); count > 0; count--) {
    const id = evolving && scheduler.chance(0.05) ? "3000000000" : String(1 + scheduler.integer(9));
    // Digits fit a column of text, if the file before, which made it one, left its trace.
    const prefix = evolving && extraIsText && scheduler.chance(0.3) ? "" : "n";
    const name = scheduler.chance(0.1) ? null : `${prefix}${scheduler.integer(4)}`;
    const extra = hasExtra ? (extraIsText && scheduler.chance(0.7) ? "7" : "e") : null;
    if (scheduler.chance(badShare)) {
      // With a name: a last row of words alone is taken for a footer.
      lines.push(table !== FLIPPING_TABLE && scheduler.chance(0.5) ? `oops,${name ?? "n0"}` : id);
      rows.push(null);
    } else {
      lines.push([id, name ?? "", ...(hasExtra ? [extra] : [])].join(","));
      rows.push([id, name, extra]);
    }
  }
  return { text: `${lines.join("\n")}\n`, rows };
}

/** The expected outcome of a file. */
export interface Expected {
  status: "committed" | "rejected" | "failed" | "held";
  accepted: number;
  /** Ordinals of rejected rows; for a failed file only some of them are recorded. */
  rejected: number[];
}

/** What the file's content alone says. */
function readingOf(event: FileEvent, content: Content | undefined): Expected {
  if (event.kind === "deleted") return { status: "committed", accepted: 0, rejected: [] };
  if (event.sourceFile === MISTAKEN_NAME) return { status: "failed", accepted: 0, rejected: [] };
  const rejected = content!.rows.flatMap((row, index) => (row ? [] : [index + 1]));
  const accepted = content!.rows.length - rejected.length;
  if (event.table === "strict" && rejected.length > REJECTS_MAX) return { status: "failed", accepted: 0, rejected };
  return { status: accepted === 0 && rejected.length > 0 ? "rejected" : "committed", accepted, rejected };
}

/**
 * What becomes of a file event. `repeat`: a decision about a file that is not held any more. Only `applied`
 * changes the table.
 */
export type Fate = "applied" | "rejected" | "failed" | "superseded" | "held" | "refused" | "repeat";

/** What the model takes from the world. */
export interface Known {
  contents: ReadonlyMap<string, Content>;
  /** Ids of files that the table's types did not fit, and of rebuilds that were refused. */
  conflicts: ReadonlySet<string>;
  /** Ids of files that were cancelled in time: what is on record says so. */
  cancelled: ReadonlySet<string>;
}

/** The expected outcome of a file event; undefined: it has none of its own. */
export function expectedOf(event: FileEvent, content: Content | undefined, fate: Fate): Expected | undefined {
  const none = { accepted: 0, rejected: [] };
  if (fate === "repeat") return undefined;
  if (fate === "held") return { status: "held", ...none };
  if (fate === "superseded" || fate === "refused") return { status: "failed", ...none };
  const reading = readingOf(event, content);
  return fate === "failed" ? { ...reading, status: "failed", accepted: 0 } : reading;
}

export interface ArrivedEvent {
  offset: number;
  event: FileEvent;
}

/** The expected rows after these file events, applied in order without batches, crashes or repeats. */
export function modelOf(table: string, arrived: readonly ArrivedEvent[], known: Known): ModelRow[] {
  const fates = fatesIn(table, arrived, known);
  const applied = arrived.filter(({ offset }) => fates.get(offset) === "applied");
  const rebuiltAt = applied.findLastIndex(({ event }) => operationIn(event)?.kind === "rebuild");
  const before = applied.slice(0, rebuiltAt + 1);
  const upTo = arrived.filter(({ offset }) => offset <= (before.at(-1)?.offset ?? -1));
  return tableOf(table, [...madeOf(before, upTo), ...applied.slice(rebuiltAt + 1)], known).rows;
}

/** A rebuild applies each content that the table is made of once, in the order of its first event. */
function madeOf(applied: readonly ArrivedEvent[], arrived: readonly ArrivedEvent[]): ArrivedEvent[] {
  const contents = new Set(applied.map(contentOf));
  return withoutUndone(arrived).filter((item) => !isRepetition(item) && contents.has(contentOf(item)));
}

function tableOf(table: string, applied: readonly ArrivedEvent[], { contents }: Known): ModelTable {
  const contract = contractOf(table);
  const { writeMode: mode, deleteMissing } = contract;
  const model = new ModelTable({ mode, deleteMissing, keyIndexes: [0], confirms: true });
  for (const { offset, event } of applied) {
    const operation = operationIn(event);
    if (operation?.kind === "undo") model.undo(event.sourceFile, offset, operation.step);
    if (operation || (event.kind === "deleted" && contract.onDelete === "keep")) continue;
    const file = fileOf({ offset, event }, contents)!;
    model.commit([file]);
    model.record([file]);
  }
  return model;
}

/**
 * What becomes of each event, by offset, because of what came before it. This follows decisions 30 and 37,
 * not the code: it reads all events of the table each time.
 */
export function fatesIn(table: string, arrived: readonly ArrivedEvent[], known: Known): Map<number, Fate> {
  const fates = new Map<number, Fate>();
  const held = new Set<number>();
  for (const [index, item] of arrived.entries()) {
    const before = arrived.slice(0, index).filter(({ offset }) => fates.get(offset) === "applied");
    const fate = fateOf(item, { table, before, fates, held, ...known });
    fates.set(item.offset, fate);
    if (fate === "held") held.add(item.offset);
    const { decision, versionOffset } = item.event;
    if (!decision || fate === "repeat") continue;
    held.delete(versionOffset!);
    // The content is set aside for good.
    if (fate === "refused" || fate === "superseded") fates.set(versionOffset!, "superseded");
  }
  return fates;
}

interface Past {
  table: string;
  /** The events before it that were applied. */
  before: readonly ArrivedEvent[];
  fates: ReadonlyMap<number, Fate>;
  /** Offsets of held files without a decision. */
  held: ReadonlySet<number>;
  contents: ReadonlyMap<string, Content>;
  conflicts: ReadonlySet<string>;
  cancelled: ReadonlySet<string>;
}

function fateOf(item: ArrivedEvent, past: Past): Fate {
  const { event } = item;
  const { held, contents } = past;
  if (event.decision && !held.has(event.versionOffset!)) return "repeat";
  if (past.cancelled.has(event.fileId)) return "failed";
  if (event.decision?.verdict === "refuse") return "refused";
  const { status } = readingOf(event, contents.get(event.contentHash));
  // As for any other file, its failure in the parser comes first.
  if (status === "failed") return "failed";
  if (event.versionOffset !== null && isSuperseded(item, past)) return "superseded";
  if (event.versionOffset === null && isHeld(item, past)) return "held";
  if (past.conflicts.has(event.fileId)) return "failed";
  return status === "rejected" ? "rejected" : "applied";
}

function isSuperseded(item: ArrivedEvent, { table, before, fates, held }: Past): boolean {
  const { event } = item;
  const { writeMode, deleteMissing } = contractOf(table);
  const base = event.baseOffset!;
  if (!event.decision && (fates.get(base) === "superseded" || held.has(base))) return true;
  if (undoneAt(event.sourceFile, before) > event.versionOffset!) return true;
  const newer = contentsBefore(event.sourceFile, table, before).some((one) => contentOf(one) > base);
  const ranked = writeMode === "replace" || deleteMissing || isCorrection(item);
  const later = before.some((one) => versionOf(one) > versionOf(item));
  return (ranked && newer) || (deleteMissing && !event.newRows && later);
}

/**
 * A file in doubt, a version without a row of a file with rows where it would remove them, or a file with fewer
 * rows than the contract wants.
 */
function isHeld({ event }: ArrivedEvent, { table, before, contents }: Past): boolean {
  if (event.kind === "deleted") return false;
  const { writeMode, deleteMissing, accept } = contractOf(table);
  const content = contents.get(event.contentHash);
  if (content?.rows.length === DOUBTFUL_ROWS) return true;
  const { accepted } = readingOf(event, content);
  if (accepted < (accept.rowsMin ?? 0)) return true;
  if (accepted > 0 || (writeMode !== "replace" && !deleteMissing)) return false;
  const newest = contentsBefore(event.sourceFile, table, before)
    .toSorted((a, b) => contentOf(a) - contentOf(b))
    .at(-1);
  if (!newest || undoneAt(event.sourceFile, before) > contentOf(newest)) return false;
  return readingOf(newest.event, contents.get(newest.event.contentHash)).accepted > 0;
}

/** The place before which the file is undone; -1: it is not. */
const undoneAt = (sourceFile: string, before: readonly ArrivedEvent[]): number =>
  Math.max(-1, ...before.map((one) => (one.event.sourceFile === sourceFile ? (undoneBefore(one) ?? -1) : -1)));

/** The events that brought or removed a file's rows. */
const contentsBefore = (sourceFile: string, table: string, before: readonly ArrivedEvent[]): ArrivedEvent[] =>
  before.filter(
    ({ event }) => event.sourceFile === sourceFile && (event.kind === "put" || contractOf(table).onDelete === "remove"),
  );

/** The events without plain repetitions: they must leave the same rows. */
export const withoutRepetitions = (arrived: readonly ArrivedEvent[]): ArrivedEvent[] =>
  arrived.filter((item) => item.event.decision || !isRepetition(item));

/** Whether the file may be undone: with deleteMissing it is not on record which keys other files dropped. */
export const mayUndo = (table: string): boolean => !contractOf(table).deleteMissing;

/** A file event as input of the warehouse model; undefined if its file fails. */
export function fileOf({ offset, event }: ArrivedEvent, contents: ReadonlyMap<string, Content>): ModelFile | undefined {
  const content = contents.get(event.contentHash);
  if (event.decision?.verdict === "refuse" || readingOf(event, content).status === "failed") return undefined;
  return {
    file: event.sourceFile,
    offset: versionOf({ offset, event }),
    version: offset,
    rows: event.kind === "deleted" ? null : content!.rows,
  };
}

/** The file with each rejected row corrected. */
export function corrected(scheduler: Scheduler, { text, rows }: Content): Content {
  const [header, ...lines] = text.trimEnd().split("\n");
  const right = rows.map((row) => row ?? [String(1 + scheduler.integer(9)), `m${scheduler.integer(4)}`, null]);
  const correctedLines = lines.map((line, at) => (rows[at] ? line : right[at]!.slice(0, 2).join(",")));
  return { text: `${[header, ...correctedLines].join("\n")}\n`, rows: right };
}
