/** A second format, defined here only, goes through the whole of lib/parsing: what FileFormat promises. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { contractSchema } from "../../../lib/contract/contract.ts";
import type { FileFormat, FormatOptions, RecordHandlers, RecordReader } from "../../../lib/formats/format.ts";
import { FORMATS } from "../../../lib/formats/registry.ts";
import { DEFAULT_LIMITS } from "../../../lib/parsing/limits.ts";
import { readFieldNames, readRecords, type ReadJob } from "../../../lib/parsing/open-file.ts";
import { previewFile } from "../../../lib/parsing/preview.ts";
import { columnsOf, parse, pieces, type ParseSetup } from "../parsing/parsing.ts";

type JsonOptions = FormatOptions & { nulls: string };

/** One JSON object a line: fields by name, in any order, values decoded into a buffer of the reader. */
const jsonLines: FileFormat<JsonOptions> = {
  name: "jsonl",
  optionsSchema: z.strictObject({ encoding: z.enum(["utf-8"]).optional(), nulls: z.string().optional() }),
  sniff: ({ bytes }) => (bytes[0] === 0x7b ? 1 : 0),
  detect: ({ encoding }, requested) => ({
    options: { encoding, nulls: typeof requested["nulls"] === "string" ? requested["nulls"] : "" },
    confidence: 1,
    skippedBytes: 0,
    firstLine: 1,
  }),
  open: ({ options, firstLine, fields = [] }, handlers) => new JsonReader(options, firstLine, fields, handlers),
  writeRow: (fields, _, names) => JSON.stringify(Object.fromEntries(names.map((name, at) => [name, fields[at] ?? ""]))),
};

class JsonReader implements RecordReader {
  readonly #options: JsonOptions;
  readonly #handlers: RecordHandlers;
  readonly #names: string[];
  #line: number;
  #rest = "";
  #told = -1;

  constructor(options: JsonOptions, firstLine: number, names: readonly string[], handlers: RecordHandlers) {
    this.#options = options;
    this.#line = firstLine;
    this.#names = [...names];
    this.#handlers = handlers;
  }

  push(text: Uint8Array): void {
    const lines = (this.#rest + Buffer.from(text).toString("utf8")).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#read(line);
  }

  end(): void {
    if (this.#rest !== "") this.#read(this.#rest);
    this.#rest = "";
  }

  #read(text: string): void {
    const line = this.#line++;
    if (text === "") return;
    const values = parsed(text);
    for (const name of Object.keys(values ?? {})) if (!this.#names.includes(name)) this.#names.push(name);
    if (this.#names.length > this.#told) {
      this.#told = this.#names.length;
      this.#handlers.onFields({ names: this.#names, count: this.#names.length, final: false });
    }
    const own = new Map(Object.entries(values ?? {}));
    const cells = this.#names.map((name) => Buffer.from(textOf(own.get(name), this.#options)));
    // Fields lie in the buffer backwards: their order in memory must not matter.
    const bytes = Buffer.concat(cells.toReversed());
    const bounds = new Int32Array(2 * cells.length);
    let end = bytes.length;
    cells.forEach((cell, at) => {
      bounds.set([end - cell.length, end], 2 * at);
      end -= cell.length;
    });
    const fault = values ? undefined : ("malformed" as const);
    const shape = { bytes, bounds, count: cells.length, fieldBytes: bytes.length };
    this.#handlers.onRow({ ...shape, line, fault, raw: () => Buffer.from(text) });
  }
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown, { nulls }: JsonOptions): string {
  if (value === null || value === undefined || value === nulls) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

const formats = [...FORMATS, jsonLines];
const lines = (...records: unknown[]): string =>
  records.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join("\n");
const parseLines = (text: string, setup: ParseSetup = {}) => parse(text, { ...setup, formats });

test("types, rejects and row numbers come from records that name their fields", async () => {
  const text = lines(
    { id: 1, name: 'a "quoted"\nname', at: "2024-05-01" },
    { name: "é", at: "2024-05-02", id: 2 },
    "{ broken",
    { id: 3, at: null },
    { id: "x", name: "n", at: "2024-05-04" },
  );
  const contract = { columns: [{ name: "id", type: "INTEGER", required: true }] };
  const result = await parseLines(text, { contract, pieceBytes: 5 });
  assert.equal(result.summary.format, "jsonl");
  assert.deepEqual(result.summary.dialect, { encoding: "utf-8", nulls: "", confidence: 1 });
  assert.deepEqual(columnsOf(result), ["id INTEGER", "name VARCHAR", "at DATE"]);
  assert.deepEqual(result.rows, [
    { id: 1, name: 'a "quoted"\nname', at: "2024-05-01" },
    { id: 2, name: "é", at: "2024-05-02" },
    { id: 3, name: null, at: null },
  ]);
  assert.deepEqual(
    result.rejects.map(({ row, line, column, reason, raw }) => [row, line, column, reason, raw]),
    [
      [3, 3, null, "malformed", "{ broken"],
      [5, 5, "id", "type_mismatch", '{"id":"x","name":"n","at":"2024-05-04"}'],
    ],
  );
  assert.equal(result.readings, 1);
});

test("a field that comes after the first block makes the file be read again, with all fields", async () => {
  const many = Array.from({ length: 50 }, (_, id) => (id < 40 ? { id } : { id, late: id / 4 }));
  const result = await parseLines(lines(...many), { limits: { inferenceBytes: 64 } });
  assert.deepEqual(columnsOf(result), ["id INTEGER", "late DECIMAL(18,2)"]);
  assert.equal(result.readings, 2);
  assert.equal(result.summary.rowsAccepted, 50);
  assert.deepEqual([result.rows[0], result.rows[43]], [{ id: 0, late: null }, { id: 43, late: "10.75" }]); // prettier-ignore
  const required = { columns: [{ name: "late", type: "DOUBLE", required: true }] };
  const strict = await parseLines(lines(...many), { contract: required, limits: { inferenceBytes: 64 } });
  assert.equal(strict.summary.rowsAccepted, 10, "a required field is checked by row, because it may come late");
  assert.ok(strict.rejects.every(({ reason, column }) => reason === "required" && column === "late"));
});

test("the format is the declared one, else the table's, else the one that fits the text", async () => {
  const json = lines({ a: 1 });
  assert.equal((await parseLines("a,b\n1,2\n")).summary.format, "csv");
  assert.equal((await parseLines(json)).summary.format, "jsonl");
  const declared = { requested: { format: "jsonl", nulls: "-" } };
  assert.deepEqual((await parseLines(lines({ a: "-", b: 1 }), { job: declared })).rows, [{ b: 1 }]);
  const csvOptions = await parseLines(json, { job: { requested: { delimiter: ";" } } });
  assert.equal(csvOptions.summary.error?.code, "FILE_NOT_CSV", "options without a format are those of CSV");
  const pinned = { pinned: { format: "csv", options: { encoding: "utf-8" as const } } };
  assert.equal((await parseLines(json, { job: pinned })).summary.format, "jsonl", "the text cannot be CSV");
  const unknown = await parseLines(json, { job: { requested: { format: "xml" } } });
  assert.match(unknown.summary.error!.message, /unknown format 'xml': use one of csv, jsonl/);
});

test("preview, field names and corrected rows go through the same interface", async () => {
  const text = lines({ id: 1, name: "a" }, { id: 2, extra: true });
  const contract = contractSchema.parse({ table: "t" });
  const preview = await previewFile(pieces(Buffer.from(text), 7), { fileName: "f.jsonl", contract }, formats);
  assert.equal(preview.format, "jsonl");
  assert.deepEqual(preview.rows, [[1, "a", null], [2, null, true]]); // prettier-ignore
  const job: ReadJob = { fileName: "f.jsonl", contract, requested: {}, limits: DEFAULT_LIMITS };
  const { names } = (await readFieldNames(pieces(Buffer.from(text), 7), job, formats))!;
  assert.deepEqual(names, ["id", "name", "extra"]);
  const made: string[] = [];
  const seen = readRecords<string>(
    pieces(Buffer.from(text), 7),
    { ...job, fields: names },
    {
      onRow: (row, ordinal, { format, options }) =>
        ordinal === 2 ? format.writeRow(["2", "b", "false"], options, names) : Buffer.from(row.raw()).toString(),
    },
    formats,
  );
  for await (const part of seen) made.push(...part);
  assert.deepEqual(made, ['{"id":1,"name":"a"}', '{"id":"2","name":"b","extra":"false"}']);
});
