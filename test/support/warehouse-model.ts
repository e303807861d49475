import type { UndoStep } from "../../lib/messages/operation.ts";
import type { TableLayout } from "../../lib/warehouse/warehouse.ts";
import type { Cell } from "./rows.ts";

/** One row of the model: its file columns, then its source. */
export interface ModelRow {
  cells: readonly Cell[];
  file: string;
  offset: number;
  row: number;
}

/**
 * A file version in the model; rows null: deleted. Row n of the array is row n + 1 of the file; null:
 * rejected.
 */
export interface ModelFile {
  file: string;
  offset: number;
  /** Offset of the version, if its rows keep an older offset. */
  version?: number;
  rows: readonly (readonly Cell[] | null)[] | null;
}

export type ModelCounts = { rowsInserted: number; rowsUpdated: number; rowsDeleted: number };

/** Reference model of commit and record in lib/warehouse/warehouse.ts: a plain array, one row at a time. */
export class ModelTable {
  layout: Pick<TableLayout, "mode" | "deleteMissing"> & {
    keyIndexes: readonly number[];
    /** Upsert: an equal row gets the version of the file that confirms it. */
    confirms?: boolean;
  };
  rows: ModelRow[] = [];
  readonly #recorded = new Map<string, number>();

  constructor(layout: ModelTable["layout"]) {
    this.layout = layout;
  }

  record(files: readonly ModelFile[]): void {
    for (const { file, offset, version = offset } of files) {
      this.#recorded.set(file, Math.max(version, this.#recorded.get(file) ?? -1));
    }
  }

  /** FileVersion.undo. */
  undo(file: string, version: number, step: UndoStep): void {
    const isOlder = (row: ModelRow): boolean => row.file === file && row.offset < version;
    if (step === "demote") this.rows = this.rows.map((row) => (isOlder(row) ? { ...row, offset: -1 } : row));
    else this.rows = this.rows.filter((row) => !isOlder(row) || (this.layout.mode === "upsert" && row.offset >= 0));
  }

  commit(files: readonly ModelFile[]): ModelCounts {
    if (this.layout.mode === "append") return this.#append(files);
    const fresh = files.filter(({ file, offset, version = offset }) => version > (this.#recorded.get(file) ?? -1));
    return this.layout.mode === "replace" ? this.#replace(fresh) : this.#upsert(fresh);
  }

  #append(files: readonly ModelFile[]): ModelCounts {
    let rowsInserted = 0;
    for (const added of files.flatMap(rowsOf)) {
      const there = this.rows.some((r) => r.file === added.file && r.offset === added.offset && r.row === added.row);
      if (there) continue;
      this.rows.push(added);
      rowsInserted += 1;
    }
    return { rowsInserted, rowsUpdated: 0, rowsDeleted: 0 };
  }

  #replace(files: readonly ModelFile[]): ModelCounts {
    const counts = { rowsInserted: 0, rowsUpdated: 0, rowsDeleted: 0 };
    const newest = new Map(files.map((one) => [one.file, one]));
    for (const version of newest.values()) {
      const wanted = rowsOf(version);
      const before = this.rows.filter((r) => r.file === version.file);
      const after = wanted.map((row) => {
        const [old, ...others] = before.filter((r) => r.row === row.row);
        if (others.length > 0) {
          counts.rowsDeleted += others.length + 1;
          counts.rowsInserted += 1;
        } else if (!old) counts.rowsInserted += 1;
        else if (sameCells(old, row)) return old;
        else counts.rowsUpdated += 1;
        return row;
      });
      counts.rowsDeleted += before.filter((r) => !wanted.some((w) => w.row === r.row)).length;
      this.rows = [...this.rows.filter((r) => r.file !== version.file), ...after];
    }
    return counts;
  }

  #upsert(files: readonly ModelFile[]): ModelCounts {
    const { deleteMissing } = this.layout;
    const counts = { rowsInserted: 0, rowsUpdated: 0, rowsDeleted: 0 };
    const held = new Map<string, ModelRow[]>();
    for (const row of this.rows) held.set(this.#key(row), [...(held.get(this.#key(row)) ?? []), row]);
    const before = new Map([...held].map(([key, rows]) => [key, rows.reduce(newerOf)]));
    const repeated = new Set([...held.keys()].filter((key) => this.#touches(files, key, held)));
    // First, version by version, find the final row of each key.
    const holder = new Map([...before].map(([key, row]) => [key, row.file]));
    const newest = new Map<string, ModelRow>();
    for (const version of files) {
      const sent = rowsOf(version).filter((row) => isNewer(row, before.get(this.#key(row))));
      for (const row of sent) {
        holder.set(this.#key(row), row.file);
        newest.set(this.#key(row), row);
      }
      const keys = new Set(rowsOf(version).map((row) => this.#key(row)));
      if (!deleteMissing) continue;
      for (const [key, file] of holder) {
        const old = newest.has(key) ? undefined : before.get(key);
        const offset = version.version ?? version.offset;
        if (file === version.file && !keys.has(key) && offset > (old?.offset ?? -1)) holder.delete(key);
      }
    }
    // Then count the changes row by row.
    const after: ModelRow[] = [];
    for (const [key, { length }] of held) {
      if (length === 1) continue;
      if (repeated.has(key)) {
        // All rows of the key are deleted, and the one that stays is inserted.
        counts.rowsDeleted += length;
        before.delete(key);
        if (holder.has(key) && !newest.has(key)) newest.set(key, held.get(key)!.reduce(newerOf));
      } else {
        after.push(...held.get(key)!);
        before.delete(key);
        holder.delete(key);
      }
    }
    for (const key of holder.keys()) {
      const [old, sent] = [before.get(key), newest.get(key)];
      const demoted = sent && old?.offset === -1;
      const untouched =
        old && !demoted && (!sent || (sameCells(old, sent) && (!deleteMissing || old.file === sent.file)));
      if (!old) counts.rowsInserted += 1;
      else if (!untouched) counts.rowsUpdated += 1;
      after.push(untouched && !(this.layout.confirms && sent) ? old : sent!);
    }
    for (const key of before.keys()) if (!holder.has(key)) counts.rowsDeleted += 1;
    this.rows = after;
    return counts;
  }

  /** Whether the files write or drop the key. */
  #touches(files: readonly ModelFile[], key: string, held: ReadonlyMap<string, readonly ModelRow[]>): boolean {
    const drops = ({ file, offset, version = offset }: ModelFile): boolean =>
      this.layout.deleteMissing && held.get(key)!.some((row) => row.file === file && row.offset < version);
    return files.some((file) => drops(file) || rowsOf(file).some((row) => this.#key(row) === key));
  }

  #key(row: ModelRow): string {
    return JSON.stringify(this.layout.keyIndexes.map((index) => row.cells[index]));
  }
}

const rowsOf = ({ file, offset, rows }: ModelFile): ModelRow[] =>
  (rows ?? []).flatMap((cells, index) => (cells ? [{ cells, file, offset, row: index + 1 }] : []));

const isNewer = (row: ModelRow, old: ModelRow | undefined): boolean =>
  !old || row.offset > old.offset || (row.offset === old.offset && row.row >= old.row);

const sameCells = (a: ModelRow, b: ModelRow): boolean => JSON.stringify(a.cells) === JSON.stringify(b.cells);

const newerOf = (a: ModelRow, b: ModelRow): ModelRow => (isNewer(b, a) ? b : a);
