import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { contractSchema } from "../../../lib/contract/contract.ts";
import { previewFile, type PreviewOptions } from "../../../lib/parsing/preview.ts";

const preview = (content: string | Buffer, options: Partial<PreviewOptions> = {}) =>
  previewFile(Readable.from([Buffer.from(content as string)]), {
    fileName: "a.csv",
    contract: contractSchema.parse({ table: "t" }),
    ...options,
  });

test("dialect, types, difference, rows and rejects", async () => {
  const shown = await preview(
    'id;Name;when\n1;"Jörg ""x""";2024-01-01 10:00\n99999999999;b;\nfoo;c;2024-01-01 10:00\n',
    {
      known: [
        { name: "id", type: "INTEGER", header: "id" },
        { name: "old", type: "DATE", header: "old" },
      ],
    },
  );
  assert.equal(shown.dialect?.delimiter, ";");
  assert.deepEqual(shown.diff, {
    added: [
      { name: "name", type: "VARCHAR" },
      { name: "when", type: "TIMESTAMP" },
    ],
    widened: [{ name: "id", from: "INTEGER", to: "BIGINT" }],
    missing: ["old"],
    conflicting: [{ name: "id", type: "BIGINT", rejects: 1, example: "'foo' is not a valid BIGINT (column 'id')" }],
  });
  assert.deepEqual(shown.rows, [
    [1, null, 'Jörg "x"', "2024-01-01T10:00:00"],
    [99_999_999_999, null, "b", null],
  ]);
  assert.deepEqual(shown.columns[0]!.samples, [1, 99_999_999_999]);
  assert.deepEqual([shown.rejects.length, shown.complete, shown.rowsRead], [1, true, 3]);
});

test("columns show the file's own headers, also those that the contract or the table names", async () => {
  const contract = contractSchema.parse({
    table: "t",
    columns: [
      { name: "rechnungsnr", type: "VARCHAR" },
      { name: "betrag", type: "INTEGER" },
      { name: "absent", type: "VARCHAR" },
    ],
  });
  const known = [{ name: "rechnungsnr", type: "VARCHAR", header: "rechnungsnr" }] as const;
  for (const table of [[], known]) {
    const shown = await preview("Rechnungsnr;Betrag\nR1;2\n", { contract, known: table });
    assert.deepEqual(
      shown.columns.map(({ header }) => header),
      ["Rechnungsnr", "Betrag", "absent"],
    );
  }
  const undeclared = await preview("RECHNUNGSNR;x\nR1;2\n", { known });
  assert.equal(undeclared.columns[0]!.header, "RECHNUNGSNR");
  const unnamed = await preview("1;2\n3;4\n", { known, requested: { header: false } });
  assert.equal(unnamed.columns[0]!.header, "rechnungsnr", "a file without a header has no other");
});

test("only the beginning of a large file is looked at", async () => {
  let read = 0;
  const body = Readable.from(
    (function* () {
      yield Buffer.from("n,m\n");
      for (; ; read++) yield Buffer.alloc(65_536, "1,2\n");
    })(),
  );
  const shown = await previewFile(body, {
    fileName: "a.csv",
    contract: contractSchema.parse({ table: "t" }),
    rowsMax: 3,
    textBytesMax: 1_000_000,
  });
  assert.equal(shown.complete, false);
  assert.equal(shown.rows.length, 3);
  assert.ok(read < 100);
});

test("a type that changes late shows as it will be", async () => {
  const shown = await preview(`n\n${"1\n".repeat(1000)}1.5\n`, { limits: { inferenceBytes: 256 } });
  assert.equal(shown.columns[0]!.type, "DECIMAL(18,2)");
  assert.deepEqual(shown.rows[0], ["1.00"]);
});

test("what is wrong with the file is part of the answer", async () => {
  const zip = await preview("PK\x03\x04");
  assert.deepEqual([zip.error?.code, zip.columns], ["FILE_NOT_CSV", []]);
  const limited = await preview("a,b\n1,1\n2\n4\n", {
    contract: contractSchema.parse({ table: "t", rejects: { countMax: 1 } }),
  });
  assert.deepEqual(
    [limited.error?.code, limited.rejects.length, limited.rows.length],
    ["REJECTS_ABOVE_THRESHOLD", 2, 1],
  );
  await assert.rejects(
    previewFile(
      Readable.from(
        (function* () {
          yield Buffer.from("a\n");
          throw new Error("gone");
        })(),
      ),
      { fileName: "a.csv", contract: contractSchema.parse({ table: "t" }) },
    ),
    /gone/,
  );
});
