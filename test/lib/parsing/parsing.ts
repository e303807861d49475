import { contractSchema } from "../../../lib/contract/contract.ts";
import type { ColumnDefinition, ColumnType } from "../../../lib/columns.ts";
import { showRows, type ShownValue } from "../../../lib/rows/decode.ts";
import { DEFAULT_LIMITS, type CsvLimits } from "../../../lib/parsing/limits.ts";
import { parseFile, type ParseJob, type ParseSummary } from "../../../lib/parsing/parse-file.ts";
import type { Reject } from "../../../lib/messages/generated.ts";

export interface ParseSetup {
  contract?: object;
  current?: Record<string, ColumnType>;
  limits?: Partial<CsvLimits>;
  job?: Partial<ParseJob>;
  /** Bytes handed over at a time. */
  pieceBytes?: number;
}

export interface Parsed {
  summary: ParseSummary;
  rows: Record<string, ShownValue>[];
  rejects: Reject[];
  /** How often the file was read. */
  readings: number;
  batches: number;
}

/** Parses as the service does: a second time if a type did not hold. */
export async function parse(content: string | Uint8Array, setup: ParseSetup = {}): Promise<Parsed> {
  const bytes = Buffer.from(content as string);
  let inferred: Record<string, ColumnType> | undefined;
  for (let readings = 1; ; readings++) {
    const rows: Record<string, ShownValue>[] = [];
    const rejects: Reject[] = [];
    let batches = 0;
    for await (const output of parseFile(pieces(bytes, setup.pieceBytes ?? 1 << 16), jobOf(setup, inferred))) {
      if (output.kind === "rejects") rejects.push(...output.rejects);
      if (output.kind === "retype") inferred = output.types;
      if (output.kind === "end") return { summary: output.summary, rows, rejects, readings, batches };
      if (output.kind !== "rows") continue;
      batches++;
      rows.push(...decode(output.batch));
    }
  }
}

function decode(batch: {
  rows: Buffer;
  rowCount: number;
  writerSchema: string;
  firstRow: number;
}): Record<string, ShownValue>[] {
  const { fields } = JSON.parse(batch.writerSchema) as { fields: { column: string; type: unknown }[] };
  const columns = fields
    .slice(0, -4)
    .map(({ column, type }) => ({ name: column, type: typeOfAvro((type as unknown[])[1]) }));
  return showRows(batch.rows, batch.rowCount, columns, Infinity).map((row) =>
    Object.fromEntries(columns.map(({ name }, index) => [name, row[index]!])),
  );
}

interface Logical {
  type: string;
  logicalType: string;
  precision: number;
  scale: number;
  "adjust-to-utc": boolean;
}

function typeOfAvro(avro: unknown): ColumnType {
  if (avro === "boolean") return "BOOLEAN";
  if (avro === "long") return "BIGINT";
  if (avro === "double") return "DOUBLE";
  if (avro === "string") return "VARCHAR";
  const { logicalType, precision, scale, ...more } = avro as Logical;
  if (logicalType === "decimal") return `DECIMAL(${precision},${scale})`;
  if (logicalType === "date") return "DATE";
  return more["adjust-to-utc"] ? "TIMESTAMP WITH TIME ZONE" : "TIMESTAMP";
}

function jobOf(
  { contract, current = {}, limits, job }: ParseSetup,
  inferred: Record<string, ColumnType> | undefined,
): ParseJob {
  return {
    fileName: "file.csv",
    contract: contractSchema.parse({ table: "t", ...contract }),
    requested: {},
    known: Object.entries(current).map(([name, type]): ColumnDefinition => ({ name, type, header: name })),
    ...(inferred ? { inferred } : {}),
    origin: { sourceFile: "file.csv", sourceOffset: 1, receivedAtMs: 0 },
    limits: { ...DEFAULT_LIMITS, ...limits },
    ...job,
  };
}

export async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export const columnsOf = ({ summary }: Parsed): string[] => summary.columns.map(({ name, type }) => `${name} ${type}`);
