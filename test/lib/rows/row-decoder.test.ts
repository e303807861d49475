import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { avroFieldName, rowSchemaOf, type ColumnType } from "../../../lib/columns.ts";
import type { RowBatch } from "../../../lib/messages/generated.ts";
import {
  decodeRows,
  kindOf,
  rowFieldsOf,
  sourceOffsetOf,
  valueAt,
  WORDS,
  type DecodedValue,
} from "../../../lib/rows/row-decoder.ts";
import { columns, decimalBytes, recordType, rowType } from "../../support/rows.ts";

/** For each type: any value, as avsc writes it and as the decoder gives it back. */
const VALUES: Readonly<Record<string, fc.Arbitrary<{ avro: unknown; value: DecodedValue }>>> = {
  BOOLEAN: fc.boolean().map((value) => ({ avro: value, value })),
  INTEGER: fc.bigInt({ min: -(2n ** 31n), max: 2n ** 31n - 1n }).map((value) => ({ avro: value, value })),
  BIGINT: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => ({ avro: value, value })),
  DOUBLE: fc.double().map((value) => ({ avro: value, value })),
  DATE: fc.integer({ min: -719162, max: 2932896 }).map((value) => ({ avro: value, value })),
  TIMESTAMP: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }).map((value) => ({ avro: value, value })),
  "TIMESTAMP WITH TIME ZONE": fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }).map((value) => ({ avro: value, value })),
  VARCHAR: fc.string({ unit: "binary", maxLength: 30 }).map((value) => ({ avro: value, value })),
  "DECIMAL(38,10)": fc
    .bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n })
    .map((value) => ({ avro: decimalBytes(value), value })),
};

const audit = { _source_file: "f.csv", _source_offset: 7n, _source_row: 1n, _ingested_at: 1_700_000_000_000_001n };

/** Encodes with avsc what is to be decoded. */
function encode(types: readonly ColumnType[], rows: readonly (readonly unknown[])[]): RowBatch {
  const definitions = columns(Object.fromEntries(types.map((type, index) => [`column ${index}`, type])));
  const type = rowType(definitions);
  const encoded = rows.map((row) =>
    type.toBuffer({ ...Object.fromEntries(row.map((cell, index) => [avroFieldName(index), cell])), ...audit }),
  );
  const writerSchema = JSON.stringify(rowSchemaOf(definitions));
  return { firstRow: 0, rowCount: rows.length, writerSchema, rows: Buffer.concat(encoded) };
}

function decoded(batch: RowBatch): DecodedValue[][] {
  const rows = decodeRows(batch);
  return Array.from({ length: rows.rowCount }, (_, row) => rows.columns.map((column) => valueAt(rows, column, row)));
}

describe("row decoder", () => {
  test("gives back any rows that avsc wrote", () => {
    const types = Object.keys(VALUES) as ColumnType[];
    const row = fc.tuple(...types.map((type) => fc.option(VALUES[type]!, { freq: 4 })));
    fc.assert(
      fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
        const batch = encode(
          types,
          rows.map((cells) => cells.map((cell) => cell?.avro ?? null)),
        );
        const expected = rows.map((cells) => [...cells.map((cell) => cell?.value ?? null), ...Object.values(audit)]);
        assert.deepEqual(decoded(batch), expected);
      }),
    );
  });

  test("a value that is the same in all rows stands once before them (the next version writes it so)", () => {
    const definitions = columns({ a: "VARCHAR", n: "BIGINT" });
    const whole = rowSchemaOf(definitions) as { fields: { name: string; once?: boolean }[] };
    const shared = ["_source_file", "_source_offset", "_ingested_at"];
    for (const field of whole.fields) if (shared.includes(field.name)) field.once = true;
    const avro = (names: readonly string[], values: object) =>
      recordType({ ...whole, fields: whole.fields.filter(({ name }) => names.includes(name)) }).toBuffer(values);
    const rows = [
      { c0: "x", c1: 5n, _source_row: 1n },
      { c0: null, c1: null, _source_row: 2n },
    ];
    const bytes = Buffer.concat([avro(shared, audit), ...rows.map((row) => avro(["c0", "c1", "_source_row"], row))]);
    const batch = { firstRow: 0, rowCount: 2, writerSchema: JSON.stringify(whole), rows: bytes };
    const { _source_file: file, _source_offset: offset, _ingested_at: at } = audit;
    assert.deepEqual(decoded(batch), [
      ["x", 5n, file, offset, 1n, at],
      [null, null, file, offset, 2n, at],
    ]);
    assert.equal(sourceOffsetOf(batch), 7);
    assert.throws(() => decodeRows({ ...batch, rowCount: 3 }), /row batch/);
    assert.throws(() => decodeRows({ ...batch, rows: bytes.subarray(0, 4) }), /row batch/);
    const none = { ...batch, rowCount: 0, rows: Buffer.alloc(0) };
    assert.deepEqual(decoded(none), []);
  });

  test("the edges of 64 and 128 bits, and of variable length", () => {
    const longs = [0n, -1n, 63n, 64n, -64n, -65n, 2n ** 31n, -(2n ** 31n) - 1n, 2n ** 32n, 2n ** 53n + 1n];
    for (let bits = 0n; bits < 63n; bits++) longs.push(2n ** bits, -(2n ** bits), 2n ** bits - 1n);
    longs.push(2n ** 63n - 1n, -(2n ** 63n));
    assert.deepEqual(
      decoded(
        encode(
          ["BIGINT"],
          longs.map((long) => [long]),
        ),
      ).map(([first]) => first),
      longs,
    );
    const decimals = [
      0n,
      127n,
      128n,
      -128n,
      -129n,
      255n,
      256n,
      2n ** 64n,
      -(2n ** 64n),
      10n ** 38n - 1n,
      1n - 10n ** 38n,
    ];
    const batch = encode(
      ["DECIMAL(38,0)"],
      decimals.map((decimal) => [decimalBytes(decimal)]),
    );
    assert.deepEqual(
      decoded(batch).map(([first]) => first),
      decimals,
    );
    // Longer than it need be, as a fixed-width writer would.
    const padded = Buffer.alloc(16, 0xff);
    assert.deepEqual(
      decoded(encode(["DECIMAL(38,0)"], [[padded], [Buffer.alloc(0)]])).map(([first]) => first),
      [-1n, 0n],
    );
  });

  test("names, types and kinds come from the writer schema", () => {
    const definitions = columns({ 'na"me': "INTEGER", money: "DECIMAL(12,2)", at: "TIMESTAMP WITH TIME ZONE" });
    const fields = rowFieldsOf(JSON.stringify(rowSchemaOf(definitions)));
    assert.deepEqual(
      fields.map(({ name, type, kind, nullable }) => [name, type, kind, nullable]),
      [
        ['na"me', "BIGINT", "long", true],
        ["money", "DECIMAL(12,2)", "decimal", true],
        ["at", "TIMESTAMP WITH TIME ZONE", "timestamptz", true],
        ["_source_file", "VARCHAR", "string", false],
        ["_source_offset", "BIGINT", "long", false],
        ["_source_row", "BIGINT", "long", false],
        ["_ingested_at", "TIMESTAMP", "timestamp", false],
      ],
    );
    for (const type of Object.keys(VALUES)) assert.ok(WORDS[kindOf(type as ColumnType)] > 0);
  });

  test("bytes that are not exactly these rows are an error, never a wrong row", () => {
    const batch = encode(
      ["BIGINT", "VARCHAR"],
      [
        [1n, "hello"],
        [2n, "world"],
      ],
    );
    assert.throws(() => decodeRows({ ...batch, rowCount: 1 }), /end at byte/);
    assert.throws(() => decodeRows({ ...batch, rowCount: 3 }), /row batch/);
    for (const rowCount of [-1, NaN, 2 ** 31 - 1]) assert.throws(() => decodeRows({ ...batch, rowCount }), /row batch/);
    for (const writerSchema of ["", "{}", '{"fields":[{"name":"a","type":"map"}]}', '{"fields":[]}', "null"]) {
      assert.throws(() => decodeRows({ ...batch, writerSchema }), /^Error: row batch/);
    }
    for (let length = 0; length < batch.rows.length; length++) {
      assert.throws(() => decodeRows({ ...batch, rows: batch.rows.subarray(0, length) }), /row batch/);
    }
    const branch = Buffer.from(batch.rows);
    branch[0] = 4;
    assert.throws(() => decodeRows({ ...batch, rows: branch }), /invalid union branch/);
    const endless = Buffer.concat([Buffer.from([2]), Buffer.alloc(12, 0xff)]);
    assert.throws(() => decodeRows({ ...batch, rows: endless }), /an integer is too long/);
  });
});
