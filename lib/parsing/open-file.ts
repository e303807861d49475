import type { ColumnDefinition } from "../columns.ts";
import type { Contract } from "../contract/contract.ts";
import type {
  Doubt,
  FileFormat,
  Finding,
  FormatOptions,
  FormatRequest,
  PinnedFormat,
  RecordFields,
  RecordHandlers,
  RecordReader,
  Row,
} from "../formats/format.ts";
import { chooseFormat, DEFAULT_FORMAT } from "../formats/registry.ts";
import type { FoundEncoding } from "../text/encoding.ts";
import { textBlocks, type TextBlock, type TextOptions } from "../text/text-blocks.ts";
import type { ParseLimits } from "./limits.ts";

/** What decides how a file splits into records. Plain data. */
export interface ReadJob {
  /** The sender's name for the file; used in messages, and to recognise names of compressed files. */
  fileName: string;
  contract: Contract;
  /** What the sender declares about the format; wins over the contract. */
  requested: FormatRequest;
  /** How the table's first file was written. */
  pinned?: PinnedFormat;
  /** The table's columns so far, in order; empty or absent for a new table. */
  known?: readonly ColumnDefinition[];
  /** Field names found by an earlier reading, for formats whose records name their fields. */
  fields?: readonly string[];
  limits: ParseLimits;
}

/** A file whose format is known, and the text of its first block from the header or first record on. */
export interface OpenedFile {
  format: FileFormat;
  options: FormatOptions;
  /** 0 to 1; 1 if certain or declared. */
  confidence: number;
  evidence: readonly Finding[];
  doubts: readonly Doubt[];
  firstLine: number;
  /** False: detection did not see the end of the file. */
  endSeen: boolean;
  text: Buffer;
  /** What sender and contract declare. */
  declared?: FormatRequest;
}

/**
 * The declarations of sender and contract. The contract's options do not apply if the sender declares another
 * format.
 */
function requestOf({ requested, contract }: Pick<ReadJob, "requested" | "contract">): FormatRequest {
  const formatOf = ({ format = DEFAULT_FORMAT }: FormatRequest): string => format;
  if (requested.format !== undefined && formatOf(requested) !== formatOf(contract.dialect)) return requested;
  return { ...contract.dialect, ...requested };
}

export function textOptionsOf(
  job: Pick<ReadJob, "fileName" | "requested" | "contract" | "pinned" | "limits">,
): TextOptions {
  const { fileName, pinned, limits } = job;
  return { fileName, encoding: requestOf(job).encoding, pinned: pinned?.options.encoding, limits };
}

/**
 * Finds the format and its options from a file's first block.
 * @throws FILE_NOT_CSV if no registered format fits
 */
export function openFile(
  block: TextBlock,
  job: Pick<ReadJob, "requested" | "contract" | "pinned" | "known" | "limits">,
  formats?: readonly FileFormat[],
): OpenedFile {
  const request = requestOf(job);
  const { pinned, limits } = job;
  const bytes = block.bytes.subarray(0, limits.detectionBytes);
  const complete = block.last && bytes.length === block.bytes.length;
  const sample = { bytes, encoding: block.encoding, complete };
  const format = chooseFormat(sample, request, pinned, formats);
  const usual = pinned?.format === format.name ? pinned.options : undefined;
  const detected = format.detect(sample, request, usual, columnsOf(job));
  const { options, confidence, skippedBytes, firstLine, evidence = [], doubts = [], endSeen = true } = detected;
  const text = block.bytes.subarray(skippedBytes);
  const file = { format, options, confidence, evidence, doubts, firstLine, endSeen, text, declared: request };
  return withEncoding(file, block.found);
}

/** The file with what is known of its encoding by now. */
export function withEncoding(file: OpenedFile, found: FoundEncoding): OpenedFile {
  const { encoding, evidence, confidence, doubt } = found;
  const others = file.evidence.filter(({ option }) => option !== "encoding");
  const otherDoubts = file.doubts.filter(({ reason }) => reason !== "encoding_unsure");
  return {
    ...file,
    options: { ...file.options, encoding },
    // That text is UTF-8, as nearly all is, needs no explanation.
    evidence:
      encoding === "utf-8" && doubt === undefined ? others : [...others, { option: "encoding", evidence, confidence }],
    doubts: doubt === undefined ? otherDoubts : [...otherDoubts, { reason: "encoding_unsure", evidence: doubt }],
  };
}

/** The columns of the table, then those of its contract that the table lacks. */
function columnsOf({ known = [], contract }: Pick<ReadJob, "known" | "contract">): ColumnDefinition[] {
  const names = new Set(known.map(({ name }) => name));
  const declared = contract.columns.filter(({ name }) => !names.has(name));
  return [...known, ...declared.map(({ name, type, header = name }) => ({ name, type, header }))];
}

/**
 * A reader of the file's text. `toEnd`: it will get all of it, so that it looks at the end that detection did
 * not see.
 */
export function openReader(
  file: Pick<OpenedFile, "format" | "options" | "firstLine" | "endSeen" | "declared">,
  { limits, fields, toEnd }: Pick<ReadJob, "limits"> & { fields?: readonly string[] | undefined; toEnd: boolean },
  handlers: RecordHandlers,
): RecordReader {
  const { format, options, firstLine, endSeen, declared } = file;
  const endBytes = toEnd && !endSeen ? Math.ceil(limits.detectionBytes / 4) : undefined;
  return format.open({ options, firstLine, limits, fields, endBytes, declared }, handlers);
}

export interface RecordVisitor<T> {
  onFields?(fields: RecordFields, file: OpenedFile): void;
  /** `row` is the ordinal that the parser counts, from 1. `seen` is valid only during the call. */
  onRow?(seen: Row, row: number, file: OpenedFile): T | undefined;
}

/**
 * A file's records as text, split exactly as the parser splits them. Yields, per block of text, what the
 * visitor's `onRow` returned. Memory is bounded.
 * @throws what `textBlocks`, `openFile` and the format's reader throw
 */
export async function* readRecords<T>(
  source: AsyncIterable<Uint8Array>,
  job: ReadJob,
  visitor: RecordVisitor<T>,
  formats?: readonly FileFormat[],
): AsyncGenerator<T[]> {
  let made: T[] = [];
  let row = 0;
  const handlersOf = (file: OpenedFile): RecordHandlers => ({
    onFields: (fields) => visitor.onFields?.(fields, file),
    onRow: (seen) => {
      const one = visitor.onRow?.(seen, ++row, file);
      if (one !== undefined) made.push(one);
    },
  });
  let reader: RecordReader | undefined;
  for await (const block of textBlocks(source, textOptionsOf(job))) {
    let text = block.bytes;
    if (!reader) {
      const file = openFile(block, job, formats);
      text = file.text;
      reader = openReader(file, { ...job, toEnd: true }, handlersOf(file));
    }
    reader.push(text);
    if (block.last) reader.end();
    yield made;
    made = [];
  }
}

/** The names of a file's fields; undefined if fields have only positions, or the file has no record. */
export async function readFieldNames(
  source: AsyncIterable<Uint8Array>,
  job: ReadJob,
  formats?: readonly FileFormat[],
): Promise<{ names: readonly string[] | undefined; count: number } | undefined> {
  let found: RecordFields | undefined;
  const onFields = ({ names, count, final }: RecordFields): void => void (found = { names, count, final });
  for await (const _ of readRecords(source, job, { onFields }, formats)) if (found?.final) break;
  return found && { names: found.names, count: found.count };
}
