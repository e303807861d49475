import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { contractSchema } from "../../../lib/contract/contract.ts";
import { parseFile, type ParseJob, type ParseSummary } from "../../../lib/parsing/parse-file.ts";
import { DEFAULT_LIMITS } from "../../../lib/parsing/limits.ts";

/** Rows that together are longer than the sample of detection, which is shortened here. */
const COUNT = 9_000;
const detectionBytes = 16 * 1024;

const rows = (cells: (n: number) => string): string =>
  Array.from({ length: COUNT }, (_, n) => `${cells(n + 1)}\n`).join("");
const TABLE = `nr,tree,n,weight\n${rows((n) => `${n},oak ${n},${n % 7},${(n * 1.25).toFixed(2)}`)}`;

interface Loaded {
  summary: ParseSummary;
  rows: number;
  /** The file was read twice, because a type did not hold. */
  again: boolean;
}

async function load(text: string, pieceBytes: number, contract: object = {}): Promise<Loaded> {
  const bytes = Buffer.from(text);
  async function* source() {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  const job: ParseJob = {
    ...{ fileName: "f.csv", contract: contractSchema.parse({ table: "t", ...contract }), requested: {}, known: [] },
    limits: { ...DEFAULT_LIMITS, detectionBytes, inferenceBytes: 64 * 1024 },
    origin: { sourceFile: "f.csv", sourceOffset: 0, receivedAtMs: 0 },
  };
  for (const again of [false, true]) {
    let count = 0;
    for await (const output of parseFile(source(), job)) {
      if (output.kind === "rows") count += output.batch.rowCount;
      if (output.kind === "retype" && !again) job.inferred = output.types;
      if (output.kind === "end") return { summary: output.summary, rows: count, again };
    }
  }
  throw new Error("the parsing did not end");
}

test("the end of a file that is longer than the sample is looked at", async () => {
  const sum = (COUNT * (COUNT + 1) * 1.25) / 2;
  for (const [end, footerRows, skipped, isHeld] of [
    ["", undefined, undefined, false],
    ["\n\n\n", undefined, undefined, false],
    [",,,\n,,,\n", undefined, 2, false],
    [`\n(${COUNT} rows affected)\n`, 1, 1, false],
    [`${COUNT} records,,,\n`, 1, 1, false],
    ["\n\nSource: the forest office\nprinted on 2026-01-31\n", 2, 2, false],
    [`Total,,26997,${sum.toFixed(2)}\n`, 1, 1, false],
    [`Total,trees,26997,${sum.toFixed(2)}\n`, 1, 1, true],
    [`,,26997,${sum.toFixed(2)}\n`, 1, 1, true],
    ["Average,,3,12.50\n", 1, 1, true],
    ["measured in June,,,\n", 1, 1, true],
  ] as const) {
    const { summary, rows: count, again } = await load(TABLE + end, 64 * 1024);
    assert.deepEqual([summary.rowsRead, summary.rowsRejected, count, again], [COUNT, 0, COUNT, false], end);
    assert.deepEqual([summary.dialect?.["footerRows"], summary.dialect?.skippedRows], [footerRows, skipped], end);
    assert.equal((summary.doubts ?? []).length > 0, isHeld, `${end}: ${JSON.stringify(summary.doubts)}`);
    assert.deepEqual(
      summary.columns.map(({ type }) => type),
      ["INTEGER", "VARCHAR", "INTEGER", "DECIMAL(18,2)"],
    );
    const evidence = summary.dialect?.evidence?.filter(({ option }) => option === "footer") ?? [];
    assert.equal(evidence.length, footerRows === undefined ? 0 : 1);
  }
});

test("last rows that are rows stay rows, also with a declared footer", async () => {
  for (const row of [`${COUNT + 1},,,`, `${COUNT + 1},fir,5,1.50`, "x,fir,8,2.00"]) {
    const { summary } = await load(`${TABLE}${row}\n`, 64 * 1024);
    assert.deepEqual([summary.rowsRead, summary.doubts], [COUNT + 1, undefined], row);
  }
  const declared = await load(`${TABLE}Total,x,1,1.00\n`, 64 * 1024, { dialect: { footer: { rows: 1 } } });
  assert.deepEqual([declared.summary.rowsRead, declared.summary.doubts], [COUNT, undefined]);
});

test("a backslash before a quote is doubted wherever it stands", async () => {
  for (const [value, isHeld] of [
    ['"oak \\"old\\", tall"', true],
    ['"oak ""old"", tall"', false],
    ['"oak\\"', false],
  ] as const) {
    const text = `${TABLE}${COUNT + 1},${value},1,2.50\n${TABLE.slice(TABLE.indexOf("\n") + 1)}`;
    const { summary } = await load(text, 64 * 1024);
    assert.deepEqual([summary.rowsRead, summary.rowsRejected], [2 * COUNT + 1, 0], value);
    assert.equal(/ has a backslash before a quote/.test(summary.doubts?.[0]?.evidence ?? ""), isHeld, value);
    const declared = await load(text, 64 * 1024, { dialect: { escape: '"' } });
    assert.equal(declared.summary.doubts, undefined, "what is declared settles the doubt");
  }
});

test("what the end shows does not depend on how the text comes", async () => {
  const text = `${TABLE}Total,trees,26997,1.00\n`;
  const whole = await load(text, text.length);
  for (const bytes of [1_000, 70_000]) assert.deepEqual(await load(text, bytes), whole);
});

test("more rows than detection looks at are a long file, too", async () => {
  const text = `nr,n\n${rows((n) => `${n},${n % 9}`)}`;
  const { summary } = await load(`${text}(${COUNT} rows)\n`, 64 * 1024);
  assert.deepEqual([summary.rowsRead, summary.dialect?.["footerRows"], summary.doubts], [COUNT, 1, undefined]);
  const one = await load(`nr\n${rows(String)}\n${COUNT} rows\n`, 64 * 1024);
  assert.match(one.summary.doubts?.[0]?.evidence ?? "", /has words below numbers/);
});

test("a file that loads by a plan says how many rows are read, and why another one has no plan", async () => {
  const text = TABLE + rows((n) => `${COUNT + n},oak ${"x".repeat(300)},1,2.50`);
  const read = async (bytes: Buffer) => {
    const job: ParseJob = {
      ...{ fileName: "f.csv", contract: contractSchema.parse({ table: "t" }), requested: {}, known: [], plans: true },
      limits: { ...DEFAULT_LIMITS, detectionBytes, inferenceBytes: 64 * 1024 },
      origin: { sourceFile: "f.csv", sourceOffset: 0, receivedAtMs: 0 },
    };
    const outputs = [];
    for await (const output of parseFile(Readable.from([bytes]), job)) outputs.push(output);
    return outputs;
  };
  const outputs = await read(Buffer.from(text));
  const kinds = outputs.map(({ kind }) => kind);
  assert.deepEqual(kinds, ["progress", "progress", "progress", "plan", "end"]);
  const done = outputs.flatMap((output) => (output.kind === "progress" ? [output.rows] : []));
  assert.ok(done[2]! > done[1]! && done[1]! > 0, String(done));
  const irregular = await read(Buffer.from(text.replace("oak 8000,", '"oak" 8000,')));
  assert.match(JSON.stringify(irregular.at(-1)), /"irregular","because":"line 8001: a row that is not standard CSV"/);
  const wide = await read(Buffer.from(text.replaceAll(",", "§")));
  assert.match(JSON.stringify(wide.at(-1)), /"because":"its delimiter/, "one of two bytes");
  const [short] = (await read(Buffer.from("a,b\n1,2\n"))).slice(-1);
  assert.match(JSON.stringify(short), /"planObstacle":"the file is short"/);
});
