import type { PlainText, RecordLimits } from "../format.ts";
import type { MutableRow } from "./reading/row-run.ts";
import type { ScanDialect } from "./reading/row-scanner.ts";

export interface CsvReaderOptions {
  dialect: ScanDialect;
  limits: Pick<RecordLimits, "headerBytesMax" | "recordBytesMax">;
  /** Number of fields per row whose bounds are kept. */
  fieldsMax: number;
  /** The first rows, which are the header, have a limit of their own. */
  headerRows: number;
  /** Line on which the text starts. Default 1. */
  firstLine?: number;
  onRow: (row: MutableRow) => void;
}

/** What the reader of the rows knows of their text. */
export type CsvText = Omit<PlainText, "isLikeHeader">;
