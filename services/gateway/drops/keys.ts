import type { Contracts } from "../../../lib/contract/contract.ts";
import { tableNameOf } from "../../../lib/parsing/names.ts";
import { hasCode } from "../../../lib/errors.ts";
import { checkFileName, checkTableName } from "../http/names.ts";

export type DropKey =
  | { kind: "file"; table: string; sourceFile: string }
  /** Not meant for us: an unfinished or hidden file, or a folder's marker. */
  | { kind: "ignored" }
  /** Meant for us, as it seems, but put in the wrong place or under the wrong name. */
  | { kind: "unfit"; reason: string };

const CSV = /\.(csv|tsv|txt)(\.(gz|zst))?$/i;
/** How copying programs, browsers, editors and synchronisers call files that are not whole yet, or not theirs to keep. */
const UNFINISHED = /(~|\.(part|partial|filepart|tmp|temp|crdownload|download|swp|lock))$/i;

/**
 * What an object in the drop store stands for: `<table>/<file>.csv`. The table's name is put right; folders below it belong to the
 * file's name, so that `sales/2024/jan.csv` and `sales/2025/jan.csv` are two files of one table.
 */
export function readDropKey(key: string, contracts: Contracts): DropKey {
  const segments = key.split("/");
  if (key.endsWith("/") || segments.some((name) => name.startsWith(".")) || UNFINISHED.test(key)) {
    return { kind: "ignored" };
  }
  if (segments.length < 2) return unfit("it lies in no table's folder: put it into <table>/");
  if (!CSV.test(key)) return unfit("its name ends in none of .csv, .tsv, .txt, each also with .gz or .zst");
  try {
    const table = checkTableName(tableNameOf(segments[0]!), contracts);
    return { kind: "file", table, sourceFile: checkFileName(segments.slice(1).join("/")) };
  } catch (error) {
    if (hasCode(error, "TABLE_NAME_INVALID") || hasCode(error, "FILE_NAME_INVALID")) return unfit(error.message);
    throw error;
  }
}

const unfit = (reason: string): DropKey => ({ kind: "unfit", reason });
