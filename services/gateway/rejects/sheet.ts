import { Readable } from "node:stream";
import { defaultContract } from "../../../lib/contract/contract.ts";
import type { CsvLimits } from "../../../lib/parsing/limits.ts";
import { fieldsOf, readRows } from "../../../lib/formats/csv/read-rows.ts";
import { fromCell, rowText, toCell } from "../../../lib/formats/csv/write-rows.ts";
import { messageOf, TributaryError } from "../../../lib/errors.ts";

/**
 * The sheet on which people correct rejected rows: a CSV file with five columns of ours, then the columns of the file itself. What a
 * spreadsheet would take for a formula has an apostrophe before it.
 */
export const SHEET_COLUMNS = ["_file_id", "_row", "_line", "_reason", "_message"] as const;

export interface SheetRow {
  fileId: string;
  row: number;
  /** Where it stands on the sheet: line of the sheet. */
  line: number;
  /** The file's columns, and what stands beyond them. */
  cells: string[];
}

/** Spreadsheets tell UTF-8 by it. */
export const SHEET_BEGIN = "\ufeff";

const COMMA = { delimiter: ",", quote: '"', escape: '"' } as const;

export const sheetText = (cells: readonly string[]): string => `${rowText(cells.map(toCell), COMMA)}\r\n`;

/**
 * Reads a sheet that came back, in whatever way a spreadsheet has written it.
 * @throws BAD_REQUEST naming the line of the sheet
 */
export async function readSheet(bytes: Buffer, limits: CsvLimits): Promise<{ headers: string[]; rows: SheetRow[] }> {
  const refuse = (line: number, why: string): never => {
    throw new TributaryError("BAD_REQUEST", `line ${line} of the sheet: ${why}`);
  };
  let headers: string[] | undefined;
  const job = {
    fileName: "sheet.csv",
    contract: defaultContract("sheet"),
    requested: { header: true },
    limits: { ...limits, columnsMax: limits.columnsMax + SHEET_COLUMNS.length + 1 },
  };
  const rows: SheetRow[] = [];
  const seen = new Set<number>();
  try {
    const parts = readRows(Readable.from([bytes], { objectMode: false }), job, (read, ordinal): undefined => {
      if (read.fault) refuse(read.line, `it cannot be read (${read.fault.replaceAll("_", " ")})`);
      const cells = fieldsOf(read).map(fromCell);
      if (ordinal === 0) return void (headers = headersOf(cells));
      const [fileId = "", rowText = ""] = cells;
      const row = Number(rowText);
      if (!Number.isSafeInteger(row) || row < 1)
        refuse(read.line, `_row is '${rowText.slice(0, 40)}', no ordinal of a row`);
      if (seen.has(row)) refuse(read.line, `row ${row} comes twice`);
      seen.add(row);
      rows.push({ fileId, row, line: read.line, cells: cells.slice(SHEET_COLUMNS.length) });
    });
    for await (const _ of parts);
  } catch (error) {
    if (error instanceof TributaryError && error.code === "BAD_REQUEST") throw error;
    throw new TributaryError("BAD_REQUEST", `the sheet cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (!headers || rows.length === 0) throw new TributaryError("BAD_REQUEST", "the sheet holds no rows");
  return { headers, rows };
}

function headersOf(cells: readonly string[]): string[] {
  const own = cells.slice(0, SHEET_COLUMNS.length);
  if (own.join() !== SHEET_COLUMNS.join()) {
    throw new TributaryError(
      "BAD_REQUEST",
      `the sheet's first columns must be ${SHEET_COLUMNS.join(", ")}, as exported`,
    );
  }
  return cells.slice(SHEET_COLUMNS.length);
}
