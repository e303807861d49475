import { contractSchema } from "../../../lib/contract/contract.ts";
import { AUDIT_COLUMNS, type ColumnDefinition, type ColumnType } from "../../../lib/columns.ts";
import { rowFieldsOf } from "../../../lib/rows/row-decoder.ts";
import { showRows, type ShownValue } from "../../../lib/rows/show.ts";
import { DEFAULT_LIMITS, type ParseLimits } from "../../../lib/parsing/limits.ts";
import type { EncodedRows } from "../../../lib/parsing/row-batches.ts";
import type { FileFormat } from "../../../lib/formats/format.ts";
import { parseFile, type ParseJob, type ParseSummary } from "../../../lib/parsing/parse-file.ts";
import type { Reject } from "../../../lib/messages/generated.ts";

export interface ParseSetup {
  contract?: object;
  current?: Record<string, ColumnType>;
  limits?: Partial<ParseLimits>;
  job?: Partial<ParseJob>;
  /** Default: those of the registry. */
  formats?: readonly FileFormat[];
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
  let found: Pick<ParseJob, "inferred" | "fields"> = {};
  for (let readings = 1; ; readings++) {
    const rows: Record<string, ShownValue>[] = [];
    const rejects: Reject[] = [];
    const texts: string[] = [];
    let batches = 0;
    const source = () => pieces(bytes, setup.pieceBytes ?? 1 << 16);
    for await (const output of parseFile(source(), jobOf(setup, found), setup.formats)) {
      if (output.kind === "rejects") {
        const [first, ...others] = output.rejects;
        if (output.text) texts.push(output.text.text);
        if (first) rejects.push({ ...first, raw: first.raw + texts.splice(0).join("") }, ...others);
      }
      if (output.kind === "retype")
        found = { inferred: output.types, ...(output.fields ? { fields: output.fields } : {}) };
      if (output.kind === "end") return { summary: output.summary, rows, rejects, readings, batches };
      if (output.kind !== "rows") continue;
      batches++;
      rows.push(...decode(output.batch));
    }
  }
}

function decode(batch: EncodedRows): Record<string, ShownValue>[] {
  const columns = rowFieldsOf(batch.writerSchema).slice(0, -AUDIT_COLUMNS.length);
  return showRows(batch, Infinity).map((row) =>
    Object.fromEntries(columns.map(({ name }, index) => [name, row[index]!])),
  );
}

export function jobOf(
  { contract, current = {}, limits, job }: ParseSetup,
  found: Pick<ParseJob, "inferred" | "fields">,
): ParseJob {
  return {
    fileName: "file.csv",
    contract: contractSchema.parse({ table: "t", ...contract }),
    requested: {},
    known: Object.entries(current).map(([name, type]): ColumnDefinition => ({ name, type, header: name })),
    ...found,
    origin: { sourceFile: "file.csv", sourceOffset: 1, receivedAtMs: 0 },
    limits: { ...DEFAULT_LIMITS, ...limits },
    ...job,
  };
}

export async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export const columnsOf = ({ summary }: Parsed): string[] => summary.columns.map(({ name, type }) => `${name} ${type}`);
