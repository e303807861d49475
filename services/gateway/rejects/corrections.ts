import { Readable } from "node:stream";
import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import {
  dialectOverrideSchema,
  keepsVersions,
  type Contracts,
  type DialectOverride,
} from "../../../lib/contract/contract.ts";
import type { Dialect } from "../../../lib/formats/csv/dialect.ts";
import type { CsvLimits } from "../../../lib/parsing/limits.ts";
import { fieldsOf, readRows, type ReadJob } from "../../../lib/formats/csv/read-rows.ts";
import type { Row } from "../../../lib/formats/csv/records.ts";
import { rowText } from "../../../lib/formats/csv/write-rows.ts";
import { hasCode, messageOf, TributaryError } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import type { Accepted, Ingest } from "../ingest/ingest.ts";
import { rawKey } from "../ingest/raw-key.ts";
import { versionEvents, versionOf } from "../replays/replay.ts";
import type { ReadVersion, RejectLedger } from "./ledger.ts";
import { SHEET_BEGIN, SHEET_COLUMNS, sheetText, type SheetRow } from "./sheet.ts";
import type { TableSchema } from "../../../lib/parsing/table-schemas.ts";

export interface CorrectionDeps {
  log: EventLog;
  blob: BlobStore;
  contracts: Contracts;
  schemas: ReadonlyMap<string, TableSchema>;
  ledger: RejectLedger;
  ingest: Pick<Ingest, "put">;
  limits: CsvLimits;
}

/** Rejected rows of one file that are exported at a time, and bytes of a sheet, there and back. */
const ROWS_MAX = 100_000;
export const SHEET_BYTES_MAX = 16 * 1024 * 1024;

/** Rows without sound text of their own: only the file as a whole can be mended. */
const NOT_ON_SHEETS = new Set(["quote_not_closed", "row_too_large"]);

/** A file version with rejected rows, and how its raw bytes fall into rows. */
export interface RejectedVersion extends ReadVersion {
  fileId: string;
  rejects: Awaited<ReturnType<RejectLedger["ofFile"]>>;
  job: ReadJob;
  /** Its rows' offset, should they keep it; null where they do not, or it is not known any more. */
  versionOffset: number | null;
}

/**
 * The version that a sheet is about.
 * @throws NOT_FOUND, FILE_SUPERSEDED if the file has come in again since
 */
export async function rejectedVersion(deps: CorrectionDeps, table: string, fileId: string): Promise<RejectedVersion> {
  const version = await deps.ledger.version(fileId);
  if (!version || version.table !== table) {
    throw new TributaryError("NOT_FOUND", `table '${table}' has no file ${fileId.slice(0, 80)} on record`);
  }
  const ofFile = (await versionEvents(deps.log, table)).filter(({ event }) => event.sourceFile === version.sourceFile);
  const [own, newest] = [ofFile.find(({ event }) => event.fileId === fileId), ofFile.at(-1)];
  if (newest && newest.event.fileId !== fileId && newest.offset > version.sourceOffset) {
    throw new TributaryError(
      "FILE_SUPERSEDED",
      `'${version.sourceFile}' has come in again since (${newest.event.fileId})`,
    );
  }
  const contract = deps.contracts.of(table);
  const said = own?.event.dialectJson;
  const requested: DialectOverride = said ? dialectOverrideSchema.parse(JSON.parse(said)) : {};
  const found = dialectOverrideSchema.safeParse({ delimiter: version.delimiter, encoding: version.encoding });
  const pinned = deps.schemas.get(table)?.dialect;
  return {
    ...version,
    fileId,
    rejects: await deps.ledger.ofFile(fileId, ROWS_MAX),
    versionOffset: keepsVersions(contract) ? (own ? versionOf(own) : version.sourceOffset) : null,
    job: {
      fileName: version.sourceFile,
      contract,
      requested: { ...requested, ...(found.success ? found.data : {}) },
      limits: deps.limits,
      ...(pinned ? { pinned } : {}),
    },
  };
}

export interface Sheet {
  text: string;
  /** Rejected rows that no sheet can hold, or that this one has no room for. */
  leftOut: number;
}

/** The sheet with the version's rejected rows, as many as there is room for. */
export async function exportSheet(deps: CorrectionDeps, version: RejectedVersion): Promise<Sheet> {
  const texts = [SHEET_BEGIN];
  let [columns, rows, bytes] = [0, 0, 0];
  const add = (cells: readonly string[]): boolean => {
    const text = sheetText(cells);
    if (bytes + Buffer.byteLength(text) > SHEET_BYTES_MAX) return false;
    bytes += Buffer.byteLength(text);
    return texts.push(text) > 0;
  };
  const parts = readVersion(deps, version, (seen, row, dialect): undefined => {
    const headers = headersOf(seen, row, dialect);
    if (headers) {
      columns = headers.length;
      add([...SHEET_COLUMNS, ...headers]);
    }
    const reject = version.rejects.get(row);
    if (!reject || !isCorrectable(version, row) || seen.count > deps.limits.columnsMax) return;
    const { line, reason, message } = reject;
    const cells = trimmed(shownFields(seen), columns);
    if (add([version.fileId, String(row), String(line), reason, message, ...cells])) rows++;
  });
  for await (const _ of parts);
  return { text: texts.join(""), leftOut: version.rowsRejected - rows };
}

/** The file's headings, at the row that tells them. */
function headersOf(seen: Row, row: number, { header }: Dialect): string[] | undefined {
  if (row === 0) return fieldsOf(seen).map((field) => field.trim());
  if (row !== 1 || header) return undefined;
  return Array.from({ length: seen.count }, (_, at) => `column_${at + 1}`);
}

/** Bytes that are no characters, and NUL, are shown as U+FFFD. */
const shownFields = (seen: Row): string[] => fieldsOf(seen).map((field) => field.replaceAll("\0", UNREADABLE));
const UNREADABLE = "\ufffd";

/** What came, or would come, of a sheet. */
export interface Correction {
  rowsCorrected: number;
  rowsUnchanged: number;
  rowsLeft: number;
  accepted: Accepted | undefined;
}

/**
 * Makes a new version of the file, in which the sheet's rows stand in the place of those rejected; every other row stays as it is, and
 * where it is. The new version goes the way of any file. Nothing is stored unless the whole sheet is in order.
 * @throws BAD_REQUEST for a row that was not rejected or still cannot be read, for other columns, or if nothing was changed
 */
export async function correct(
  deps: CorrectionDeps,
  version: RejectedVersion,
  sheet: { headers: readonly string[]; rows: readonly SheetRow[] },
  dryRun: boolean,
): Promise<Correction> {
  for (const { row, line } of sheet.rows) checkCorrectable(version, row, line);
  const { dialect, texts, rowsUnchanged } = await planCorrection(deps, version, sheet);
  if (texts.size === 0) throw new TributaryError("BAD_REQUEST", "no row of the sheet differs from its export");
  const counts = { rowsCorrected: texts.size, rowsUnchanged, rowsLeft: version.rowsRejected - sheet.rows.length };
  if (dryRun) return { ...counts, accepted: undefined };
  const lines = async function* () {
    const parts = readVersion(deps, version, (seen, row) => lineOf(texts.get(row) ?? seen.raw()));
    for await (const part of parts) if (part.length > 0) yield Buffer.concat(part);
  };
  const accepted = await deps.ingest.put({
    table: version.table,
    sourceFile: version.sourceFile,
    origin: "upload",
    body: Readable.from(lines(), { objectMode: false }),
    dialect: { ...dialect, encoding: "utf-8" },
    corrects: { fileId: version.fileId, versionOffset: version.versionOffset },
  });
  return { ...counts, accepted };
}

/** The text of every row that was changed, and how the file is written. */
async function planCorrection(
  deps: CorrectionDeps,
  version: RejectedVersion,
  sheet: { headers: readonly string[]; rows: readonly SheetRow[] },
): Promise<{ dialect: Dialect; texts: Map<number, Buffer>; rowsUnchanged: number }> {
  const sent = new Map(sheet.rows.map((row) => [row.row, row]));
  const texts = new Map<number, Buffer>();
  let [columns, rowsUnchanged] = [0, 0];
  let dialect: Dialect | undefined;
  const parts = readVersion(deps, version, (seen, row, read): undefined => {
    dialect ??= read;
    const headers = headersOf(seen, row, read);
    if (headers) {
      columns = headers.length;
      checkHeaders(sheet.headers, headers);
    }
    const { cells: all = [], line = 0 } = sent.get(row) ?? {};
    if (!sent.has(row)) return;
    const cells = trimmed(all, columns);
    if (cells.join("\0") === trimmed(shownFields(seen), columns).join("\0")) rowsUnchanged++;
    else texts.set(row, Buffer.from(textOf(cells, seen, read, line)));
  });
  for await (const _ of parts);
  const { confidence: _, ...found } = dialect as Dialect & { confidence?: number };
  return { dialect: found, texts, rowsUnchanged };
}

const isCorrectable = ({ rejects }: RejectedVersion, row: number): boolean => {
  const reject = rejects.get(row);
  return reject !== undefined && !NOT_ON_SHEETS.has(reject.reason);
};

function checkCorrectable(version: RejectedVersion, row: number, line: number): void {
  if (isCorrectable(version, row)) return;
  const reject = version.rejects.get(row);
  const why = reject ? `was rejected as ${reject.reason}: mend the file itself` : "was not rejected";
  throw new TributaryError("BAD_REQUEST", `line ${line} of the sheet: row ${row} of '${version.sourceFile}' ${why}`);
}

/** Columns beyond the file's own are what rows with too many fields have; their headings do not matter. */
function checkHeaders(sent: readonly string[], own: readonly string[]): void {
  own.forEach((header, at) => {
    if (sent[at]?.trim() === header) return;
    const is = sent[at] === undefined ? "is missing" : `is '${sent[at].slice(0, 80)}'`;
    throw new TributaryError("BAD_REQUEST", `column ${at + 1} of the sheet ${is}; the file's is '${header}'`);
  });
}

/** As many cells as the file has columns; more only where they hold something. */
function trimmed(cells: readonly string[], columns: number): string[] {
  const kept = [...cells, ...Array<string>(Math.max(0, columns - cells.length)).fill("")];
  while (kept.length > columns && kept.at(-1) === "") kept.pop();
  return kept;
}

function textOf(cells: readonly string[], seen: Row, dialect: Dialect, line: number): string {
  try {
    if (seen.fault && cells.some((cell) => cell.includes(UNREADABLE))) throw new Error(`it still holds ${UNREADABLE}`);
    return rowText(cells, dialect);
  } catch (error) {
    throw new TributaryError("BAD_REQUEST", `line ${line} of the sheet: ${messageOf(error)}`, { cause: error });
  }
}

const lineOf = (raw: Uint8Array): Buffer => Buffer.concat([raw, LINE_END]);
const LINE_END = Buffer.from("\n");

/**
 * Reads the version's raw bytes as its parser did, and makes sure of it: every rejected row has to stand on the line on which it was
 * rejected, and the rows have to be as many.
 * @throws BLOB_MISSING, FILE_SUPERSEDED if the rows do not fall as they did (its contract's dialect is another now)
 */
async function* readVersion<T>(
  { blob }: CorrectionDeps,
  version: RejectedVersion,
  visit: (seen: Row, row: number, dialect: Dialect) => T | undefined,
): AsyncGenerator<T[]> {
  const { sourceFile, rejects, rowsRead, status, job } = version;
  const changed = (): TributaryError =>
    new TributaryError(
      "FILE_SUPERSEDED",
      `the rows of '${sourceFile}' do not fall as they did when it was read; replay it first`,
    );
  const body = await rawFile(blob, version);
  let rows = 0;
  let met = 0;
  try {
    yield* readRows(body, job, (seen, row, dialect) => {
      rows = row;
      const reject = rejects.get(row);
      if (reject && reject.line !== seen.line) throw changed();
      if (reject) met++;
      return visit(seen, row, dialect);
    });
  } finally {
    body.destroy();
  }
  // Of a failed file only its rejects are on record.
  if (met !== rejects.size || (status !== "failed" && rows !== rowsRead)) throw changed();
}

async function rawFile(blob: BlobStore, { contentHash, sourceFile }: ReadVersion): Promise<Readable> {
  try {
    return (await blob.get(rawKey(contentHash))).body;
  } catch (error) {
    if (!hasCode(error, "BLOB_NOT_FOUND")) throw error;
    throw new TributaryError("BLOB_MISSING", `the raw file of '${sourceFile}' is no longer in the blob store`, {
      cause: error,
    });
  }
}
