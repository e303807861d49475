import { Readable } from "node:stream";
import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import type { Contracts } from "../../../lib/contract/contract.ts";
import { fieldsOf, type FormatRequest, type Row } from "../../../lib/formats/format.ts";
import { positionalHeader } from "../../../lib/formats/headers.ts";
import { requestIn } from "../../../lib/formats/message-fields.ts";
import { checkRequest } from "../../../lib/formats/registry.ts";
import type { ParseLimits } from "../../../lib/parsing/limits.ts";
import type { PreviewPool } from "../../../lib/parsing/workers/worker-pool.ts";
import {
  readFieldNames,
  readRecords,
  type OpenedFile,
  type ReadJob,
  type RecordVisitor,
} from "../../../lib/parsing/open-file.ts";
import { hasCode, messageOf, TributaryError } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import type { Accepted, Ingest } from "../ingest/ingest.ts";
import { rawKey } from "../../../lib/blob/raw-key.ts";
import { versionEvents } from "../../../lib/file-versions/events.ts";
import { contentOf, versionOf } from "../../../lib/messages/repetition.ts";
import type { ReadVersion, RejectLedger } from "./ledger.ts";
import { SHEET_BEGIN, SHEET_COLUMNS, sheetText, type SheetRow } from "./sheet.ts";
import type { TableSchema } from "../../../lib/table-schemas/table-schemas.ts";

export interface CorrectionDeps {
  log: EventLog;
  blob: BlobStore;
  contracts: Contracts;
  schemas: ReadonlyMap<string, TableSchema>;
  ledger: RejectLedger;
  ingest: Pick<Ingest, "put">;
  limits: ParseLimits;
  previews: PreviewPool;
}

/** Rejected rows per export, and bytes of a sheet in both directions. */
const ROWS_MAX = 100_000;
export const SHEET_BYTES_MAX = 16 * 1024 * 1024;

/** Rows whose text is not delimited reliably: only the file itself can be corrected. */
const NOT_ON_SHEETS = new Set(["quote_not_closed", "malformed", "row_too_large"]);

/** A file version with rejected rows, and how its raw bytes split into records. */
export interface RejectedVersion extends ReadVersion {
  fileId: string;
  rejects: Awaited<ReturnType<RejectLedger["ofFile"]>>;
  job: ReadJob;
  /** The version that its corrected rows keep. */
  versionOffset: number;
  /** Offset of the event that first brought its bytes. */
  contentOffset: number;
}

/**
 * The version that a sheet corrects.
 * @throws NOT_FOUND, FILE_SUPERSEDED if the file has a newer version
 */
export async function rejectedVersion(deps: CorrectionDeps, table: string, fileId: string): Promise<RejectedVersion> {
  const version = await deps.ledger.version(fileId);
  if (!version || version.table !== table) {
    throw new TributaryError("NOT_FOUND", `table '${table}' has no record of file ${fileId.slice(0, 80)}`);
  }
  const ofFile = (await versionEvents(deps.log, table)).filter(({ event }) => event.sourceFile === version.sourceFile);
  const own = ofFile.find(({ event }) => event.fileId === fileId);
  const contentOffset = own ? contentOf(own) : version.contentOffset;
  const newer = ofFile.filter((item) => contentOf(item) > contentOffset);
  const setAside = newer.length > 0 ? await deps.ledger.setAside(table) : new Set<string>();
  const newest = newer.findLast((item) => !setAside.has(item.event.fileId));
  if (newest) {
    throw new TributaryError(
      "FILE_SUPERSEDED",
      `'${version.sourceFile}' has a newer version (${newest.event.fileId}): export its sheet`,
    );
  }
  const contract = deps.contracts.of(table);
  const requested = own ? requestIn(own.event) : {};
  // Only CSV files have a delimiter on record.
  const { delimiter, encoding } = version;
  const recorded = checkRequest(delimiter === "" ? { encoding } : { delimiter, encoding });
  const { pinned, columns: known } = deps.schemas.get(table) ?? {};
  return {
    ...version,
    fileId,
    rejects: await deps.ledger.ofFile(fileId, ROWS_MAX),
    versionOffset: own ? versionOf(own) : version.versionOffset,
    contentOffset,
    job: {
      fileName: version.sourceFile,
      contract,
      requested: { ...requested, ...(recorded.success ? recorded.data : {}) },
      limits: deps.limits,
      ...(pinned ? { pinned } : {}),
      ...(known ? { known } : {}),
    },
  };
}

export interface Sheet {
  text: string;
  /** Rejected rows that cannot be corrected on a sheet, or did not fit. */
  leftOut: number;
}

/** The sheet with the version's rejected rows, as many as fit. */
export async function exportSheet(deps: CorrectionDeps, version: RejectedVersion): Promise<Sheet> {
  const { headers, version: named } = await withHeaders(deps, version);
  const texts = [SHEET_BEGIN];
  let [rows, bytes] = [0, 0];
  const add = (cells: readonly string[]): boolean => {
    const text = sheetText(cells);
    if (bytes + Buffer.byteLength(text) > SHEET_BYTES_MAX) return false;
    bytes += Buffer.byteLength(text);
    return texts.push(text) > 0;
  };
  add([...SHEET_COLUMNS, ...headers]);
  const onRow = (seen: Row, row: number): undefined => {
    const reject = version.rejects.get(row);
    if (!reject || reject.dismissed || !isCorrectable(version, row) || seen.count > deps.limits.columnsMax) return;
    const { line, reason, message } = reject;
    const cells = trimmed(shownFields(seen), headers.length);
    if (add([version.fileId, String(row), String(line), reason, message, ...cells])) rows++;
  };
  for await (const _ of readVersion(deps, named, { onRow }));
  const dismissed = [...version.rejects.values()].filter((reject) => reject.dismissed).length;
  return { text: texts.join(""), leftOut: version.rowsRejected - rows - dismissed };
}

/**
 * The headings of the version's file: its field names, or column_1, column_2 … Also the version with these
 * names in its job, for formats whose records name their fields.
 */
async function withHeaders(
  deps: CorrectionDeps,
  version: RejectedVersion,
): Promise<{ headers: readonly string[]; version: RejectedVersion }> {
  const body = await rawFile(deps.blob, version);
  try {
    const { names, count = 0 } = (await readFieldNames(body, version.job)) ?? {};
    if (!names) return { headers: Array.from({ length: count }, (_, at) => positionalHeader(at)), version };
    return { headers: names, version: { ...version, job: { ...version.job, fields: names } } };
  } finally {
    body.destroy();
  }
}

/** The row's fields; invalid bytes and NUL are shown as U+FFFD. */
const shownFields = (seen: Row): string[] => fieldsOf(seen).map((field) => field.replaceAll("\0", UNREADABLE));
const UNREADABLE = "\ufffd";

/** The effect of a sheet. */
export interface Correction {
  rowsCorrected: number;
  /** In a dry run: changed rows that would be rejected again. */
  rowsStillRejected: number | null;
  rowsUnchanged: number;
  rowsLeft: number;
  accepted: Accepted | undefined;
}

/**
 * Creates a new version of the file, in which the sheet's rows replace rejected rows; all other rows stay
 * unchanged and in place. The new version is ingested like any file. Nothing is stored unless the whole sheet
 * is valid.
 * @throws BAD_REQUEST for a row that was not rejected or is still unreadable, for other columns, or without
 * any change
 */
export async function correct(
  deps: CorrectionDeps,
  version: RejectedVersion,
  sheet: { headers: readonly string[]; rows: readonly SheetRow[] },
  dryRun: boolean,
): Promise<Correction> {
  for (const { row, line } of sheet.rows) checkCorrectable(version, row, line);
  const { headers, version: named } = await withHeaders(deps, version);
  checkHeaders(sheet.headers, headers);
  const { format, texts, rowsUnchanged } = await planCorrection(deps, named, headers, sheet.rows);
  if (texts.size === 0) throw new TributaryError("BAD_REQUEST", "no row of the sheet differs from its export");
  const counts = { rowsUnchanged, rowsLeft: version.rowsRejected - sheet.rows.length };
  if (dryRun) {
    const rowsStillRejected = await countRejected(deps, named, format, texts);
    return { ...counts, rowsCorrected: texts.size - rowsStillRejected, rowsStillRejected, accepted: undefined };
  }
  const accepted = await deps.ingest.put({
    table: version.table,
    sourceFile: version.sourceFile,
    origin: "upload",
    body: Readable.from(correctedLines(deps, named, texts), { objectMode: false }),
    dialect: { ...format, encoding: "utf-8" },
    corrects: {
      fileId: version.fileId,
      versionOffset: version.versionOffset,
      baseOffset: version.contentOffset,
    },
  });
  return { ...counts, rowsCorrected: texts.size, rowsStillRejected: null, accepted };
}

/** How many of the changed rows would be rejected again. Parses these rows alone, below the file's header. */
async function countRejected(
  deps: CorrectionDeps,
  version: RejectedVersion,
  format: FormatRequest,
  texts: ReadonlyMap<number, Buffer>,
): Promise<number> {
  const { contract, fileName, pinned } = version.job;
  const known = deps.schemas.get(version.table)?.columns;
  const rows = correctedLines(deps, version, texts, true);
  const preview = await deps.previews.preview(
    {
      fileName,
      contract,
      requested: { ...format, encoding: "utf-8" },
      rowsMax: 0,
      rejectsMax: 0,
      // Escapes may double the text of a sheet.
      textBytesMax: 4 * SHEET_BYTES_MAX,
      ...(known ? { known } : {}),
      ...(pinned ? { pinned } : {}),
    },
    rows,
  );
  if (!preview) throw new TributaryError("OVERLOADED", "shutting down");
  return preview.error ? texts.size : preview.rowsRejected;
}

/**
 * The version's records, in which `texts` replaces rows by their ordinals; `changedOnly`: only these rows.
 */
async function* correctedLines(
  deps: CorrectionDeps,
  version: RejectedVersion,
  texts: ReadonlyMap<number, Buffer>,
  changedOnly = false,
): AsyncGenerator<Buffer> {
  let header: Buffer | undefined;
  const parts = readVersion<Buffer>(deps, version, {
    onFields: (fields) => void (header ??= fields.header && lineOf(fields.header.raw())),
    onRow(seen, row) {
      const text = texts.get(row) ?? (changedOnly ? undefined : seen.raw());
      return text && lineOf(text);
    },
  });
  let begun = false;
  for await (const part of parts) {
    if (header && !begun) yield header;
    begun ||= header !== undefined;
    if (part.length > 0) yield Buffer.concat(part);
  }
}

/** The text of every changed row, and how the file is written. */
async function planCorrection(
  deps: CorrectionDeps,
  version: RejectedVersion,
  headers: readonly string[],
  rows: readonly SheetRow[],
): Promise<{ format: FormatRequest; texts: Map<number, Buffer>; rowsUnchanged: number }> {
  const sent = new Map(rows.map((row) => [row.row, row]));
  const texts = new Map<number, Buffer>();
  let rowsUnchanged = 0;
  let format: FormatRequest = {};
  const onFields = (_: unknown, file: OpenedFile): void =>
    void (format = { format: file.format.name, ...(file.format.declaredOptions?.(file.options) ?? file.options) });
  const onRow = (seen: Row, row: number, file: OpenedFile): undefined => {
    const own = sent.get(row);
    if (!own) return;
    const cells = trimmed(own.cells, headers.length);
    if (cells.join("\0") === trimmed(shownFields(seen), headers.length).join("\0")) rowsUnchanged++;
    else texts.set(row, Buffer.from(textOf(cells, seen, file, { headers, line: own.line })));
  };
  for await (const _ of readVersion(deps, version, { onFields, onRow }));
  return { format, texts, rowsUnchanged };
}

const isCorrectable = ({ rejects }: RejectedVersion, row: number): boolean => {
  const reject = rejects.get(row);
  return reject !== undefined && !NOT_ON_SHEETS.has(reject.reason);
};

function checkCorrectable(version: RejectedVersion, row: number, line: number): void {
  if (isCorrectable(version, row)) return;
  const reject = version.rejects.get(row);
  const why = reject ? `was rejected as ${reject.reason}: correct the file itself` : "was not rejected";
  throw new TributaryError("BAD_REQUEST", `line ${line} of the sheet: row ${row} of '${version.sourceFile}' ${why}`);
}

/**
 * Checks the file's own headings. Further columns hold surplus fields of rows; their headings are ignored.
 */
function checkHeaders(sent: readonly string[], own: readonly string[]): void {
  own.forEach((header, at) => {
    if (sent[at]?.trim() === header) return;
    const is = sent[at] === undefined ? "is missing" : `is '${sent[at].slice(0, 80)}'`;
    throw new TributaryError("BAD_REQUEST", `column ${at + 1} of the sheet ${is}; the file's is '${header}'`);
  });
}

/** Pads or cuts to the file's columns; further cells are kept up to the last that is not empty. */
function trimmed(cells: readonly string[], columns: number): string[] {
  const kept = [...cells, ...Array<string>(Math.max(0, columns - cells.length)).fill("")];
  while (kept.length > columns && kept.at(-1) === "") kept.pop();
  return kept;
}

function textOf(
  cells: readonly string[],
  seen: Row,
  { format, options }: OpenedFile,
  { headers, line }: { headers: readonly string[]; line: number },
): string {
  try {
    if (seen.fault && cells.some((cell) => cell.includes(UNREADABLE)))
      throw new Error(`a cell still contains ${UNREADABLE}: replace it`);
    return format.writeRow(cells, options, headers);
  } catch (error) {
    throw new TributaryError("BAD_REQUEST", `line ${line} of the sheet: ${messageOf(error)}`, { cause: error });
  }
}

const lineOf = (raw: Uint8Array): Buffer => Buffer.concat([raw, LINE_END]);
const LINE_END = Buffer.from("\n");

/**
 * Reads the version's raw bytes as its parser did, and verifies it: every rejected row must be on the line
 * where it was rejected, and the number of rows must be the same.
 * @throws BLOB_MISSING, FILE_SUPERSEDED if the rows differ (the contract's dialect has changed since)
 */
async function* readVersion<T>(
  { blob }: CorrectionDeps,
  version: RejectedVersion,
  visitor: RecordVisitor<T>,
): AsyncGenerator<T[]> {
  const { sourceFile, rejects, rowsRead, status, job } = version;
  const changed = (): TributaryError =>
    new TributaryError(
      "FILE_SUPERSEDED",
      `'${sourceFile}' splits into other rows now than when it was parsed: replay it first`,
    );
  const body = await rawFile(blob, version);
  let rows = 0;
  let met = 0;
  try {
    yield* readRecords<T>(body, job, {
      ...visitor,
      onRow: (seen, row, file) => {
        rows = row;
        const reject = rejects.get(row);
        if (reject && reject.line !== seen.line) throw changed();
        if (reject) met++;
        return visitor.onRow?.(seen, row, file);
      },
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
