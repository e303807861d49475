import { RowEncoder, writerSchemaOf, type RowOrigin } from "../rows/encode.ts";
import type { CastColumn } from "../typing/cast.ts";
import type { ParseLimits } from "./limits.ts";
import type { RejectOutput } from "./rejects.ts";
import { definitionsOf } from "./plan.ts";

/** A batch of accepted rows. */
export interface EncodedRows {
  /** Ordinal of the first row among the file's accepted rows, from 0. */
  firstRow: number;
  rowCount: number;
  /** Avro schema of one row, JSON. */
  writerSchema: string;
  rows: Buffer;
}

/** Bytes reserved for the envelope of a row message, without file name, schema and rows. */
const ENVELOPE_BYTES = 4 * 1024;

/** Collects encoded rows into batches that fit into one message each. */
export class RowBatches {
  /** Where the current row is written; call `keepRow` after its `endRow`. */
  readonly encoder: RowEncoder;
  rowsAccepted = 0;
  readonly #origin: RowOrigin;
  readonly #limits: Pick<ParseLimits, "batchBytesMax" | "messageBytesMax">;
  readonly #onBatch: (batch: EncodedRows) => void;
  #rows = 0;
  #batchBytesMax = 0;
  #rowBytesMax = 0;

  constructor(
    origin: RowOrigin,
    limits: Pick<ParseLimits, "batchBytesMax" | "messageBytesMax">,
    onBatch: (batch: EncodedRows) => void,
  ) {
    this.#origin = origin;
    this.#limits = limits;
    this.#onBatch = onBatch;
    this.encoder = new RowEncoder(origin, Math.ceil(limits.batchBytesMax * 1.25));
  }

  /** Adapts the size limits to the columns, whose schema is part of each message. */
  setColumns(columns: readonly CastColumn[]): void {
    const { batchBytesMax, messageBytesMax } = this.#limits;
    const schemaBytes = Buffer.byteLength(writerSchemaOf(definitionsOf(columns))) + 16 * columns.length;
    const nameBytes = Buffer.byteLength(this.#origin.sourceFile);
    this.#rowBytesMax = messageBytesMax - ENVELOPE_BYTES - nameBytes - schemaBytes;
    this.#batchBytesMax = Math.min(batchBytesMax, this.#rowBytesMax);
  }

  /** Text that a row of so many columns may have and fits into a message for sure. */
  textBytesMax(columns: number): number {
    return this.#rowBytesMax - this.encoder.rowBytesMax(0, columns);
  }

  /**
   * Adds the row that was ended last to the batch. False if it does not fit into any message: it is dropped.
   */
  keepRow(columns: readonly CastColumn[]): boolean {
    const { encoder } = this;
    const { rowBytes } = encoder;
    if (rowBytes > this.#rowBytesMax) {
      encoder.rewind();
      return false;
    }
    if (encoder.sizeBytes + rowBytes > this.#batchBytesMax) this.flush(columns);
    encoder.keepRow();
    this.#rows++;
    this.rowsAccepted++;
    return true;
  }

  flush(columns: readonly CastColumn[]): void {
    if (this.#rows === 0) return;
    const batch = {
      firstRow: this.rowsAccepted - this.#rows,
      rowCount: this.#rows,
      writerSchema: writerSchemaOf(definitionsOf(columns)),
      rows: this.encoder.take(),
    };
    this.#rows = 0;
    this.#onBatch(batch);
  }
}

/** The rows of a file so far. */
export interface ParseCounts {
  rowsRead: number;
  rowsAccepted: number;
  rowsRejected: number;
}

/** What a parser hands over. */
export type ParserOutput = { kind: "rows"; batch: EncodedRows } | ({ kind: "rejects" } & RejectOutput);

/** Writes the values that do not fit their columns, by column, as JSON; undefined: none. */
export function writeRescued(encoder: RowEncoder, rescued: ReadonlyMap<string, string> | undefined): void {
  if (!rescued) return encoder.writeNull();
  const json = Buffer.from(JSON.stringify(Object.fromEntries(rescued)));
  encoder.reserve(json.length + encoder.rowBytesMax(0, 1));
  encoder.writeText(json, 0, json.length);
}
