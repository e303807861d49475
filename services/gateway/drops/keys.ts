import type { Contracts } from "../../../lib/contract/contract.ts";
import { tableNameOf } from "../../../lib/parsing/names.ts";
import { hasCode } from "../../../lib/errors.ts";
import { checkFileName, checkTableName } from "../http/names.ts";
import { CAUSES, type SkipKind } from "./skipped.ts";

export type DropKey =
  | { kind: "file"; table: string; sourceFile: string }
  /** What object stores show for an empty folder. */
  | { kind: "folder" }
  /** Hidden, unfinished, or with a wrong folder or name. */
  | { kind: "skipped"; why: SkipKind; reason: string };

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
  if (key.endsWith("/")) return { kind: "folder" };
  if (segments.some((name) => name.startsWith("."))) return skipped("hidden", CAUSES.hidden);
  if (UNFINISHED.test(key)) {
    return skipped("unfinished", "unfinished or temporary files have such names: rename it to have it loaded");
  }
  if (segments.length < 2) return skipped("folder", "the object is not in a table's folder: put it into <table>/");
  if (!CSV.test(key)) {
    return skipped("format", "its name must end in .csv, .tsv or .txt, optionally followed by .gz or .zst");
  }
  try {
    const table = checkTableName(tableNameOf(segments[0]!), contracts);
    return { kind: "file", table, sourceFile: checkFileName(segments.slice(1).join("/")) };
  } catch (error) {
    if (hasCode(error, "TABLE_NAME_INVALID")) return skipped("folder", `${error.message}: rename the folder`);
    if (hasCode(error, "FILE_NAME_INVALID")) return skipped("name", `${error.message}: rename it`);
    throw error;
  }
}

const skipped = (why: SkipKind, reason: string): DropKey => ({ kind: "skipped", why, reason });
