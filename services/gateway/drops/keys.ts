import type { Contracts } from "../../../lib/contract/contract.ts";
import { tableNameOf } from "../../../lib/parsing/names.ts";
import { hasCode } from "../../../lib/errors.ts";
import { checkFileName, checkTableName } from "../http/names.ts";

export type DropKey =
  | { kind: "file"; table: string; sourceFile: string }
  /** Not a file to ingest: unfinished, hidden, or a folder marker. */
  | { kind: "ignored" }
  /** Apparently a file to ingest, but with a wrong folder or name. */
  | { kind: "unfit"; reason: string };

const CSV = /\.(csv|tsv|txt)(\.(gz|zst))?$/i;
/**
 * Suffixes that copying programs, browsers, editors and sync clients give to unfinished or temporary files.
 */
const UNFINISHED = /(~|\.(part|partial|filepart|tmp|temp|crdownload|download|swp|lock))$/i;

/**
 * Derives table and file from an object key `<table>/<file>.csv`. Normalises the table name. Deeper folders
 * belong to the file name: `sales/2024/jan.csv` and `sales/2025/jan.csv` are two files of one table.
 */
export function readDropKey(key: string, contracts: Contracts): DropKey {
  const segments = key.split("/");
  if (key.endsWith("/") || segments.some((name) => name.startsWith(".")) || UNFINISHED.test(key)) {
    return { kind: "ignored" };
  }
  if (segments.length < 2) return unfit("the object is not in a table's folder: put it into <table>/");
  if (!CSV.test(key)) return unfit("its name must end in .csv, .tsv or .txt, optionally followed by .gz or .zst");
  try {
    const table = checkTableName(tableNameOf(segments[0]!), contracts);
    return { kind: "file", table, sourceFile: checkFileName(segments.slice(1).join("/")) };
  } catch (error) {
    if (hasCode(error, "TABLE_NAME_INVALID") || hasCode(error, "FILE_NAME_INVALID")) return unfit(error.message);
    throw error;
  }
}

const unfit = (reason: string): DropKey => ({ kind: "unfit", reason });
