import { folderOf, tableId } from "../../../lib/tables.ts";

/** A file's name, unique across tables. */
export const fileOf = (table: string, sourceFile: string): string => folderOf(tableId(table)) + sourceFile;

/** A version of a file, as its file event tells it. */
interface Version {
  readonly table: string;
  readonly sourceFile: string;
  readonly offset: number;
  /** Set: a replay or correction of that version. */
  readonly replayOf: string | null;
}

export interface NewestVersion {
  readonly fileId: string;
  readonly offset: number;
  /** Offset of the newest replay or correction of any version of the file; -1: none. */
  readonly repeatedAt: number;
  /** Id of that replay or correction; empty: none. */
  readonly repetition: string;
}

/** The newest version of each file, by the offset of its file event. */
export class NewestVersions {
  readonly #newest = new Map<string, NewestVersion>();

  note(fileId: string, { table, sourceFile, offset, replayOf }: Version): void {
    const file = fileOf(table, sourceFile);
    const known = this.#newest.get(file) ?? { fileId: "", offset: -1, repeatedAt: -1, repetition: "" };
    if (replayOf !== null) {
      if (offset > known.repeatedAt) this.#newest.set(file, { ...known, repeatedAt: offset, repetition: fileId });
    } else if (offset > known.offset) this.#newest.set(file, { ...known, fileId, offset });
  }

  /** Forgets the files of a table that was dropped at this offset. */
  drop(table: string, droppedAt: number): void {
    const folder = fileOf(table, "");
    for (const [file, { offset }] of this.#newest) {
      if (offset < droppedAt && file.startsWith(folder)) this.#newest.delete(file);
    }
  }

  forget(fileId: string, { table, sourceFile, offset }: Version): void {
    const file = fileOf(table, sourceFile);
    const known = this.#newest.get(file);
    if (known && (known.fileId === fileId || known.offset < offset)) this.#newest.delete(file);
  }

  of(table: string, sourceFile: string): NewestVersion | undefined {
    return this.#newest.get(fileOf(table, sourceFile));
  }
}
