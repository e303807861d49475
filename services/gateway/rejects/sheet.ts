import { Readable } from "node:stream";
import { defaultContract } from "../../../lib/contract/contract.ts";
import type { ParseLimits } from "../../../lib/parsing/limits.ts";
import { fromCell, rowText, toCell } from "../../../lib/formats/csv/write-rows.ts";
import { fieldsOf, type Row } from "../../../lib/formats/format.ts";
import { readRecords } from "../../../lib/parsing/open-file.ts";
import { messageOf, TributaryError } from "../../../lib/errors.ts";

/**
 * The sheet for correcting rejected rows: a CSV file with these five columns, then the columns of the file
 * itself, whatever its format. Text that a spreadsheet would treat as a formula is prefixed with an
 * apostrophe.
 */
export const SHEET_COLUMNS = ["_file_id", "_row", "_line", "_reason", "_message"] as const;

export interface SheetRow {
  fileId: string;
  row: number;
  /** Line of the sheet. */
  line: number;
  /** Values of the file's columns, and any further cells. */
  cells: string[];
}

/** A byte-order mark, by which spreadsheets recognise UTF-8. */
export const SHEET_BEGIN = "\ufeff";

const COMMA = { delimiter: ",", quote: '"', escape: '"' } as const;

export const sheetText = (cells: readonly string[]): string => `${rowText(cells.map(toCell), COMMA)}\r\n`;

/**
 * Reads an edited sheet, in any CSV dialect that spreadsheets write.
 * @throws BAD_REQUEST naming the line of the sheet
 */
export async function readSheet(bytes: Buffer, limits: ParseLimits): Promise<{ headers: string[]; rows: SheetRow[] }> {
  const refuse = (line: number, why: string): never => {
    throw new TributaryError("BAD_REQUEST", `line ${line} of the sheet: ${why}`);
  };
  let headers: string[] | undefined;
  const job = {
    fileName: "sheet.csv",
    contract: defaultContract("sheet"),
    requested: { format: "csv", header: true },
    limits: { ...limits, columnsMax: limits.columnsMax + SHEET_COLUMNS.length + 1 },
  };
  const rows: SheetRow[] = [];
  const seen = new Set<number>();
  try {
    const check = (read: Row): string[] => {
      if (read.fault) refuse(read.line, `the row cannot be read (${read.fault.replaceAll("_", " ")})`);
      return fieldsOf(read).map(fromCell);
    };
    const parts = readRecords<never>(Readable.from([bytes], { objectMode: false }), job, {
      onFields: ({ header }) => void (headers = headersOf(check(header!))),
      onRow: (read): undefined => {
        const cells = check(read);
        const [fileId = "", rowText = ""] = cells;
        const row = Number(rowText);
        if (!Number.isSafeInteger(row) || row < 1)
          refuse(read.line, `_row is '${rowText.slice(0, 40)}', which is not a row number`);
        if (seen.has(row)) refuse(read.line, `row ${row} occurs twice`);
        seen.add(row);
        rows.push({ fileId, row, line: read.line, cells: cells.slice(SHEET_COLUMNS.length) });
      },
    });
    for await (const _ of parts);
  } catch (error) {
    if (error instanceof TributaryError && error.code === "BAD_REQUEST") throw error;
    throw new TributaryError("BAD_REQUEST", `the sheet cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (!headers || rows.length === 0) throw new TributaryError("BAD_REQUEST", "the sheet contains no rows");
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
