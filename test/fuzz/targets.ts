/** The fuzz targets and their properties. Every check is deterministic. */
import assert from "node:assert/strict";
import fc from "fast-check";
import iconv from "iconv-lite";
import { contractsOf } from "../../lib/contract/load.ts";
import { decompress } from "../../lib/text/decompress.ts";
import { momentFormat, scanFormatted } from "../../lib/typing/date-formats.ts";
import type { ParseLimits } from "../../lib/parsing/limits.ts";
import { nameColumns } from "../../lib/parsing/names.ts";
import { previewFile } from "../../lib/parsing/preview.ts";
import { newScan } from "../../lib/typing/scan.ts";
import { AUDIT_COLUMNS, type ColumnDefinition } from "../../lib/columns.ts";
import { hasCode } from "../../lib/errors.ts";
import { anyFile, cell, compressed, damage, damaged, dialect, encoding, header, writeTable } from "./files.ts";
import { readByCsvParse, readStrictly, type Written } from "./csv-parse.ts";
import { MESSAGE_TARGETS } from "./messages.ts";
import { loadPlans } from "./load-plans/target.ts";
import { readFile, type Reading, type Setup } from "./readings.ts";
import { target, type Target } from "./fuzz-target.ts";
import { transcodeTo } from "./transcode.ts";

const TINY: Partial<ParseLimits> = {
  detectionBytes: 64,
  inferenceBytes: 64,
  headerBytesMax: 400,
  recordBytesMax: 800,
  columnsMax: 8,
  expandedBytesMax: 20_000,
  batchBytesMax: 300,
  messageBytesMax: 9_000,
  rawBytesMax: 60,
};

const limits = fc.oneof(
  fc.constant({}),
  fc.constant(TINY),
  fc.record({ inferenceBytes: fc.integer({ min: 16, max: 400 }), batchBytesMax: fc.integer({ min: 100, max: 2_000 }) }),
);

const contract = fc.oneof(
  { weight: 2, arbitrary: fc.constant({}) },
  {
    weight: 3,
    arbitrary: fc.record(
      {
        columns: fc.constantFrom<object[][]>(
          [{ name: "id", type: "INTEGER" }],
          [
            { name: "id", type: "DECIMAL(6,2)", required: true },
            { name: "name", type: "VARCHAR" },
          ],
          [{ name: "id", type: "DATE", format: "dd.MM.yyyy" }],
          [
            { name: "id", type: "BOOLEAN" },
            { name: "na_e", type: "TIMESTAMP WITH TIME ZONE" },
          ],
        ),
        onMismatch: fc.constantFrom("reject", "rescue", "fail"),
        unexpectedColumns: fc.constantFrom("add", "ignore", "fail"),
        raggedRows: fc.constantFrom("reject", "pad"),
        nullMarkers: fc.constantFrom<string[][]>([], ["NULL", "NA"], ["0"]),
        inferenceSampleRows: fc.integer({ min: 1, max: 5 }),
        rejects: fc.constantFrom({ countMax: 1 }, { shareMax: 0.5 }, {}),
      },
      { requiredKeys: [] },
    ),
  },
);

const current = fc.constantFrom<ColumnDefinition[][]>(
  [],
  [{ name: "id", type: "INTEGER", header: "id" }],
  [
    { name: "name", type: "VARCHAR", header: "name" },
    { name: "id", type: "DECIMAL(18,2)", header: "ID" },
  ],
);

const pieces = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 5 });

/** What two readings of the same file must have in common. */
const comparable = ({ summary, rows, rejects }: Reading) => ({ summary, rows: [...rows], rejects });

/**
 * A new table without a contract rejects no value, because its types are inferred from the values: except
 * from rows with a stray quote, whose values decide no type. csv-parse tells which these are.
 */
function checkExactTypes({ rejects, summary }: Reading): void {
  const { delimiter = ",", quote = '"', escape = '"' } = (summary.dialect ?? {}) as Partial<Written>;
  const typed = rejects.filter(
    ({ reason, raw }) =>
      ["type_mismatch", "out_of_range", "required"].includes(reason) &&
      readStrictly(raw, { delimiter, quote, escape }) !== undefined,
  );
  assert.deepEqual(typed, [], "the cast rejects a value of the inferred type");
}

/** A structure that is found with less confidence may be found otherwise once the table is known. */
const CONFIDENT = 0.9;

/** Reading the file again gives the same rows, also with the inferred types declared. */
async function checkAgain(bytes: Buffer, setup: Setup, first: Reading): Promise<void> {
  const { columns, format, dialect: found, outcome, doubts = [] } = first.summary;
  // A file in doubt is not loaded without a look: the columns that it made say nothing about it.
  if (outcome !== "complete" || doubts.length > 0) return;
  const { confidence, ...options } = found!;
  if (confidence < CONFIDENT) return;
  const usual = { format: format!, options };
  const again = await readFile(bytes, { ...setup, current: columns, usual });
  if ((again.summary.doubts ?? []).length > 0) return;
  assert.deepEqual([...again.rows], [...first.rows], "the same rows in the second reading");
  assert.deepEqual(again.summary.columns, columns, "the same columns in the second reading");
  const declared = { columns: columns.map(({ name, type, header: written }) => ({ name, type, header: written })) };
  const known = await readFile(bytes, { ...setup, contract: declared, current: columns, usual });
  assert.deepEqual([...known.rows], [...first.rows], "the same rows with declared types");
}

const files = target(
  "any file",
  150,
  fc.record({ bytes: anyFile, limits, contract, current, pieces, elsewhere: pieces }),
  async ({ bytes, pieces: some, elsewhere, ...setup }) => {
    const [one, other] = [await readFile(bytes, setup, some), await readFile(bytes, setup, elsewhere)];
    // The output before the error in damaged gzip data depends on the pieces; the failure does not.
    if ([one, other].some(({ summary }) => summary.error?.code === "FILE_CORRUPT")) {
      return assert.deepEqual([one.summary.outcome, other.summary.outcome], ["failed", "failed"]);
    }
    assert.deepEqual(comparable(other), comparable(one), "the same reading with other pieces");
  },
);

const inference = target(
  "inferred types",
  100,
  fc.record({ bytes: anyFile, limits }),
  async ({ bytes, limits: own }) => {
    const reading = await readFile(bytes, { limits: own });
    checkExactTypes(reading);
    await checkAgain(bytes, { limits: own }, reading);
  },
);

const previews = target(
  "previews",
  150,
  fc.record({ bytes: anyFile, contract, current }),
  async ({ bytes, ...setup }) => {
    const { summary } = await readFile(bytes, setup);
    const { contract: declared, ...rest } = { ...setup, contract: contractsOf([]).of("t") };
    const plain = await readFile(bytes, rest);
    const options = { fileName: "f", contract: declared, known: rest.current, rowsMax: 1e6, rejectsMax: 1e6 };
    const preview = await previewFile(cutUp(bytes, [1 << 16]), options);
    assert.ok(summary);
    assert.equal(preview.error?.code, plain.summary.error?.code);
    if (!preview.complete) return;
    assert.deepEqual([preview.rowsRead, preview.rowsRejected], [plain.summary.rowsRead, plain.summary.rowsRejected]);
    assert.deepEqual(preview.rejects, plain.rejects);
    assert.equal(preview.rows.length, plain.rows.size);
  },
);

/** What detection would look for: rows with empty last fields look like rows with delimiters at their ends. */
const DECLARED = {
  ...{ header: true, skipRows: 0, footer: { rows: 0 }, comment: null },
  ...{ rowNames: false, trailingDelimiter: false, trimBlanks: false },
};

const textCell = cell.filter((text) => !/\0|\p{Surrogate}/u.test(text));

const roundTrip = target(
  "round trip",
  150,
  fc.record({
    rows: fc.array(fc.tuple(textCell, textCell, textCell), { maxLength: 12 }),
    written: dialect,
    encoding,
    bom: fc.boolean(),
    how: fc.constantFrom("none", "gzip", "zstd"),
    limits,
    pieces,
  }),
  async ({ rows, written, encoding: name, bom, how, limits: own, pieces: some }) => {
    const text = writeTable([["h1", "h2", "h3"], ...rows], written);
    const bytes = compressed(transcodeTo((bom && name.startsWith("utf") ? "\ufeff" : "") + text, name), how);
    const columns = ["h1", "h2", "h3"].map((column) => ({ name: column, type: "VARCHAR" }));
    const { delimiter, quote, escape } = written;
    const override = { ...DECLARED, delimiter, quote, escape, encoding: name as "utf-8" };
    const roomy = { ...own, headerBytesMax: 1e6, recordBytesMax: 1e6, messageBytesMax: 1e6, expandedBytesMax: 1e6 };
    const reading = await readFile(bytes, { contract: { columns }, override, limits: roomy }, some);
    const decoded = (value: string) => (name.startsWith("utf") ? value : transcodeBack(value, name)) || null;
    assert.equal(reading.summary.outcome, "complete");
    assert.deepEqual(
      [...reading.rows.values()],
      // A row without a value is none; blanks are no value.
      rows.filter((row) => row.some((value) => /[^ \t\u00a0\u3000]/.test(value))).map((row) => row.map(decoded)),
    );
  },
);

/** The text after a round trip through a single-byte encoding. */
const transcodeBack = (text: string, name: string): string => iconv.decode(transcodeTo(text, name), "windows-1252");

const oracle = target(
  "csv-parse as oracle",
  150,
  fc.record({
    rows: fc.array(fc.array(textCell, { minLength: 2, maxLength: 4 }), { maxLength: 12 }),
    written: dialect,
    pieces,
  }),
  async ({ rows, written, pieces: some }) => {
    const text = writeTable([["h1", "h2", "h3"], ...rows], written);
    const { delimiter, quote, escape } = written;
    const columns = ["h1", "h2", "h3"].map((column) => ({ name: column, type: "VARCHAR" }));
    const override = { ...DECLARED, delimiter, quote, escape, encoding: "utf-8" as const };
    const { rows: read, rejects } = await readFile(Buffer.from(text), { contract: { columns }, override }, some);
    // A row without a value is no row.
    const hasValue = (fields: readonly string[]): boolean => fields.some((one) => /\S|\ufeff/.test(one));
    const expected = readByCsvParse(text, { delimiter, quote, escape })!.slice(1).filter(hasValue);
    const fitting = expected.flatMap((fields, at) =>
      fields.length === 3 ? [[at + 1, fields.map((one) => one || null)]] : [],
    );
    assert.deepEqual([...read], fitting);
    assert.deepEqual(
      rejects.map(({ row }) => row),
      expected.flatMap((fields, at) => (fields.length === 3 ? [] : [at + 1])),
    );
  },
);

/** A text of this many bytes, compressed by the zstd tool with a checksum. */
const ZSTD_FRAME = Buffer.from("KLUv/QRYFQEA0GlkLG5hbWUKMSxoZWxsbyAKMix3b3JsZCAKAgDAODKXJeDisS8=", "base64");
const ZSTD_FRAME_LENGTH = 54;

const packed = target(
  "compressed data",
  300,
  fc.record({
    how: fc.constantFrom("gzip", "zstd"),
    text: fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 }),
    damages: fc.array(damage, { maxLength: 4 }),
    pieces,
  }),
  async ({ text, how, damages, pieces: some }) => {
    // One frame is from the zstd tool; the frames generated here hold uncompressed blocks.
    const isReal = (index: number): boolean => how === "zstd" && index === 1;
    const packedUp = text.map((part, index) => (isReal(index) ? ZSTD_FRAME : compressed(Buffer.from(part), how)));
    const bytes = damaged(Buffer.concat(packedUp), damages);
    const own = { expandedBytesMax: 100_000, expansionRatioMax: 1_000 };
    let length = 0;
    try {
      for await (const part of decompress(cutUp(bytes, some), own)) length += part.length;
    } catch (thrown) {
      assert.ok(hasCode(thrown, "FILE_CORRUPT") || hasCode(thrown, "FILE_EXPANDS_TOO_FAR"), String(thrown));
    }
    assert.ok(length <= own.expandedBytesMax, "the output stays within the limit");
    if (damages.length === 0)
      assert.equal(
        length,
        text.reduce((sum, part, at) => sum + (isReal(at) ? ZSTD_FRAME_LENGTH : part.length), 0),
      );
  },
);

async function* cutUp(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; at += sizes[turn++ % sizes.length]!) {
    yield bytes.subarray(at, at + sizes[turn % sizes.length]!);
  }
}

const names = target("column names", 2_000, fc.tuple(fc.array(header), fc.array(header)), ([first, second]) => {
  const made = nameColumns(first);
  assert.equal(new Set(made).size, first.length, "all different");
  const reserved = new Set<string>([...AUDIT_COLUMNS.map(({ name }) => name), "_rescued"]);
  for (const name of made) assert.ok(/^[a-z][a-z0-9_]*$/.test(name) && name.length <= 128 && !reserved.has(name), name);
  const existing = made.map((name, index) => ({ name, header: first[index]! }));
  assert.deepEqual(nameColumns(first, existing), made, "the same names for the same headers again");
  const others = nameColumns(second, existing);
  assert.equal(new Set(others).size, second.length, "all names differ from the existing ones");
});

const formatText = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc
    .array(
      fc.constantFrom(
        "yyyy",
        "yy",
        "MM",
        "M",
        "MMM",
        "dd",
        "d",
        "HH",
        "h",
        "mm",
        "ss",
        "SSS",
        "a",
        "XXX",
        "-",
        "'T'",
        " ",
      ),
      {
        maxLength: 9,
      },
    )
    .map((parts) => parts.join("")),
);

const formats = target("date formats", 2_000, fc.tuple(formatText, cell), ([text, value]) => {
  let format;
  try {
    format = momentFormat(text);
  } catch (thrown) {
    return assert.ok(hasCode(thrown, "CONTRACT_INVALID"), String(thrown));
  }
  const bytes = Buffer.from(value);
  scanFormatted(format, bytes, { ...newScan(), start: 0, end: bytes.length });
});

export const TARGETS: readonly Target[] = [
  files,
  inference,
  previews,
  roundTrip,
  oracle,
  packed,
  names,
  formats,
  loadPlans,
  ...MESSAGE_TARGETS,
];
