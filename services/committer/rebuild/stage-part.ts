import { randomUUID } from "node:crypto";
import type { ColumnDefinition } from "../../../lib/columns.ts";
import { writtenFields } from "../../../lib/formats/message-fields.ts";
import { readingJson, readingOf } from "../../../lib/formats/reading.ts";
import type { FileOutcome } from "../../../lib/messages/generated.ts";
import { contentOf, versionOf, type VersionEvent } from "../../../lib/messages/repetition.ts";
import type { ParseSummary } from "../../../lib/parsing/parse-file.ts";
import { readVersion, type Reading, type ReadingDeps, type Take } from "../../../lib/rebuild/read.ts";
import type { Part, Parts } from "../../../lib/rebuild/versions.ts";
import type { FileVersion, RecordedFile, Stage, Warehouse } from "../../../lib/warehouse/warehouse.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";

/** One reading of a version: its rows, and its rejects apart, which live longer. */
interface ReadVersion {
  item: VersionEvent;
  summary: ParseSummary;
  /** As RecordedFile.dialectJson; null: it is not known. */
  dialectJson: string | null;
  rejects: Stage;
}

/** A part of the table that was read again. */
export class ReadPart {
  /** The rows; undefined: the part has none. */
  readonly stage: Stage | undefined;
  /** What to commit; undefined: nothing. */
  readonly version: FileVersion | undefined;
  readonly #readings: readonly ReadVersion[];

  constructor(item: VersionEvent, stage: Stage | undefined, readings: readonly ReadVersion[]) {
    this.stage = stage;
    this.#readings = readings;
    const columns = readings.at(-1)?.summary.columns ?? [];
    const isDeletion = item.event.kind === "deleted";
    this.version = stage || isDeletion ? versionFor(item, columns, stage) : undefined;
  }

  /** The new outcomes of the versions that were read, where they are on record. */
  recordOf(records: Parts["records"], rebuild: EndedFile): RecordedFile[] {
    return this.#readings.flatMap(({ item, summary, dialectJson, rejects }): RecordedFile[] => {
      const record = records.get(contentOf(item));
      if (!record) return [];
      const outcome = outcomeOf(item, summary, record, rebuild);
      return [{ outcome, stage: rejects, readAgain: true, ...(dialectJson === null ? {} : { dialectJson }) }];
    });
  }

  /** Rows of the versions that were read, rejected ones included. */
  get rowsRead(): number {
    return this.#readings.reduce((sum, { summary }) => sum + summary.rowsRead, 0);
  }

  get rowsRejected(): number {
    return this.#readings.reduce((sum, { summary }) => sum + summary.rowsRejected, 0);
  }

  async discard(): Promise<void> {
    await Promise.all([this.stage?.discard(), ...this.#readings.map(({ rejects }) => rejects.discard())]);
  }
}

function versionFor(item: VersionEvent, columns: readonly ColumnDefinition[], stage: Stage | undefined): FileVersion {
  const { fileId, sourceFile, versionOffset } = item.event;
  return {
    ...{ fileId, sourceFile, sourceOffset: item.offset, columns },
    ...(versionOffset === null ? {} : { versionOffset: versionOf(item) }),
    ...(stage ? { stage } : {}),
  };
}

/** Puts what a reading brings into stages; the same one may take both. */
export function takeInto(rows: Stage, rejects: Stage): Take {
  return async (output) => {
    if (output.kind === "rejects") return rejects.reject(output.rejects);
    const { rows: encoded, ...batch } = output.batch;
    await rows.append({ ...batch, rows: Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length) });
  };
}

/**
 * Reads a part: of its versions the first with a row that loads, or without any row. A version of which
 * every row is rejected changes nothing, as when it came.
 */
export async function stagePart(
  deps: ReadingDeps,
  warehouse: Pick<Warehouse, "stage">,
  reading: Reading,
  part: Part,
): Promise<ReadPart> {
  const readings: ReadVersion[] = [];
  if (part[0].event.kind === "deleted") return new ReadPart(part[0], undefined, readings);
  const table = reading.contract.table;
  let rows: Stage | undefined;
  let rejects: Stage | undefined;
  const begin = async (): Promise<Take> => {
    await Promise.all([rows?.discard(), rejects?.discard()]);
    const [into, rejected] = [warehouse.stage(table, randomUUID()), warehouse.stage(table, randomUUID())];
    [rows, rejects] = [into, rejected];
    return takeInto(into, rejected);
  };
  try {
    for (const item of part) {
      const summary = await readVersion(deps, reading, item, begin);
      const dialectJson = readingJson(readingOf(summary, reading.contract));
      readings.push({ item, summary, dialectJson, rejects: rejects! });
      rejects = undefined;
      if (summary.rowsAccepted > 0 || summary.rowsRejected === 0) return new ReadPart(item, rows, readings);
    }
    await rows?.discard();
    return new ReadPart(part[0], undefined, readings);
  } catch (thrown) {
    await Promise.allSettled(
      [rows, rejects, ...readings.map((one) => one.rejects)].map(async (stage) => stage?.discard()),
    );
    throw thrown;
  }
}

function outcomeOf(
  { event }: VersionEvent,
  summary: ParseSummary,
  { fileId, sourceOffset }: { fileId: string; sourceOffset: number },
  { end, rowsOffset }: EndedFile,
): FileOutcome {
  const { sourceFile, sizeBytes, contentHash, etag, receivedAtMs } = event;
  const { rowsAccepted, rowsRejected } = summary;
  return {
    ...{ fileId, sourceFile, sourceOffset, sizeBytes, contentHash, etag, receivedAtMs, rowsOffset },
    status: rowsAccepted === 0 && rowsRejected > 0 ? "rejected" : "committed",
    rowsRead: rowsAccepted + rowsRejected,
    rowsCommitted: rowsAccepted,
    rowsRejected,
    ...{ parsedAtMs: end.parsedAtMs, parseMs: 0, errorCode: null, errorMessage: null },
    ...writtenFields(summary.format, summary.dialect),
  };
}
