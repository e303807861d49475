import { uuidv7 } from "uuidv7";
import { derivedFileId } from "../../../lib/file-id.ts";

interface Named {
  table: string;
  sourceFile: string;
  contentHash: string;
  declared: string;
  fileId?: string | undefined;
  idempotencyKey?: string | undefined;
  corrects?: object | undefined;
}

export interface FileIds {
  /** The id of an arriving file's version. */
  of(file: Named): string;
  /**
   * Publishes the version. If that fails, its event may be in the log all the same. In an append table, the
   * same content of the same file, sent again, then gets the same id.
   */
  keeping<T>(file: Named, fileId: string, publish: () => Promise<T>): Promise<T>;
}

/** Versions in memory whose event may or may not be published. */
const UNSURE_MAX = 10_000;

/** `isAppend`: whether every version of the table's files adds rows. */
export function makeFileIds(isAppend: (table: string) => boolean): FileIds {
  const unsure = new Map<string, string>();
  const contentOf = (file: Named): string[] => [file.table, file.sourceFile, file.contentHash, file.declared];
  return {
    of(file) {
      if (file.fileId !== undefined) return file.fileId;
      const content = contentOf(file);
      if (file.idempotencyKey !== undefined) return derivedFileId("upload", file.idempotencyKey, ...content);
      if (file.corrects || !isAppend(file.table)) return uuidv7();
      return unsure.get(content.join("\n")) ?? derivedFileId("new", uuidv7());
    },
    async keeping(file, fileId, publish) {
      const content = contentOf(file).join("\n");
      unsure.delete(content);
      try {
        return await publish();
      } catch (error) {
        if (file.corrects || !isAppend(file.table)) throw error;
        if (unsure.size >= UNSURE_MAX) unsure.delete(unsure.keys().next().value!);
        unsure.set(content, fileId);
        throw error;
      }
    },
  };
}

/** Runs work of one key one after the other, and of different keys side by side. */
export function makeTurns(): { run<T>(key: string, work: () => Promise<T>): Promise<T> } {
  const last = new Map<string, Promise<unknown>>();
  return {
    async run(key, work) {
      const before = last.get(key);
      const turn = (async () => {
        await before?.catch(() => undefined);
        return work();
      })();
      last.set(key, turn);
      try {
        return await turn;
      } finally {
        if (last.get(key) === turn) last.delete(key);
      }
    },
  };
}
