/** Replays and corrections that race uploads and each other, or reach back: newer content stays. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import { startPipeline, type Pipeline } from "./pipeline.ts";

const COLUMNS = [
  { name: "id", type: "INTEGER" },
  { name: "v", type: "INTEGER" },
];
const CONTRACTS = [
  { table: "replaced", columns: COLUMNS },
  { table: "upserted", columns: COLUMNS, writeMode: "upsert", key: ["id"] },
  { table: "mirrored", columns: COLUMNS, writeMode: "upsert", key: ["id"], deleteMissing: true, onDelete: "remove" },
  { table: "appended", columns: COLUMNS, writeMode: "append" },
];
const TABLES = CONTRACTS.map(({ table }) => table);
const CHANGING = TABLES.slice(0, 3);

interface Held {
  pipeline: Pipeline;
  /** Lookups of the raw files that are there now wait until the result is called. */
  hold: () => () => void;
}

async function start(t: TestContext): Promise<Held> {
  let gate: Promise<void> | undefined;
  /** Raw files of uploads before the hold. Later uploads look their own raw file up, and do not wait. */
  const earlier = new Set<string>();
  const folder = await mkdtemp(join(tmpdir(), "tributary-repetitions-"));
  const held = (blob: BlobStore): BlobStore =>
    new Proxy(blob, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return async (...args: unknown[]) => {
          const key = String(args[0]);
          if (gate === undefined && key.startsWith("raw/")) earlier.add(key);
          if (name === "head" && earlier.has(key)) await gate;
          return Reflect.apply(member, target, args) as unknown;
        };
      },
    });
  const pipeline = await startPipeline(folder, { contracts: CONTRACTS, wrapBlob: held });
  t.after(async () => {
    await pipeline.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const hold = (): (() => void) => {
    let release = (): void => undefined;
    gate = new Promise((resolve) => (release = resolve));
    return () => {
      gate = undefined;
      earlier.clear();
      release();
    };
  };
  return { pipeline, hold };
}

const valuesOf = (pipeline: Pipeline, table: string): Promise<unknown[][]> =>
  pipeline.query(`SELECT id, v FROM ${table} ORDER BY id, v`);

const ended = async (pipeline: Pipeline, fileId: unknown): Promise<unknown> => {
  const { body } = await pipeline.send("GET", `/v1/files/${String(fileId)}?wait=committed&timeout=20s`);
  const status = await pipeline.send("GET", `/v1/files/${String(fileId)}`);
  return (status.body["error"] as { code?: string } | null)?.code ?? body["status"];
};

const sheetOf = async (pipeline: Pipeline, table: string, file: string): Promise<string[]> => {
  for (;;) {
    const { status, text } = await pipeline.send("GET", `/v1/tables/${table}/rejects/export?file=${file}`);
    if (status === 200) return text.trimEnd().split("\r\n");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

const sendBack = async (pipeline: Pipeline, table: string, ...lines: readonly string[]): Promise<unknown> => {
  const { body } = await pipeline.send("POST", `/v1/tables/${table}/rejects/corrections`, `${lines.join("\r\n")}\r\n`);
  return (body["file"] as { fileId: string } | null)?.fileId;
};

test("an upload during a replay stays", async (t) => {
  const { pipeline, hold } = await start(t);
  for (const table of CHANGING) {
    await pipeline.put(table, "a.csv", "id,v\n1,1\n");
    const release = hold();
    const replaying = pipeline.send("POST", `/v1/tables/${table}/replay`, {});
    assert.equal((await pipeline.put(table, "a.csv", "id,v\n1,2\n")).body["status"], "committed");
    release();
    const files = (await replaying).body["files"] as { fileId: string }[];
    const ends = await Promise.all(files.map(({ fileId }) => ended(pipeline, fileId)));
    assert.deepEqual(await valuesOf(pipeline, table), [[1, 2]], table);
    if (ends.length === 1) assert.equal(ends[0], table === "upserted" ? "committed" : "FILE_SUPERSEDED", table);
  }
});

test("a bounded replay goes over nothing newer; going back is a command of its own", async (t) => {
  const { pipeline } = await start(t);
  for (const table of CHANGING) {
    const january = await pipeline.put(table, "a.csv", "id,v\n1,1\n");
    await pipeline.put(table, "a.csv", "id,v\n1,2\n");
    const to = { offset: Number(january.body["sourceOffset"]) };
    for (const [more, expected] of [
      [{}, [[1, 2]]],
      [{ asNewest: true }, [[1, 1]]],
      [{}, [[1, 1]]],
    ] as const) {
      const { body } = await pipeline.send("POST", `/v1/tables/${table}/replay`, { to, ...more });
      for (const { fileId } of body["files"] as { fileId: string }[]) await ended(pipeline, fileId);
      assert.deepEqual(await valuesOf(pipeline, table), expected, `${table} ${JSON.stringify(more)}`);
    }
  }
  await pipeline.put("appended", "a.csv", "id,v\n1,1\n");
  const refused = await pipeline.send("POST", "/v1/tables/appended/replay", { asNewest: true });
  assert.deepEqual([refused.status, refused.body.code], [400, "BAD_REQUEST"]);
});

test("of two corrections of one file at a time, the second is refused", async (t) => {
  const { pipeline } = await start(t);
  for (const table of TABLES) {
    await pipeline.put(table, "a.csv", "id,v\n1,1\n2,bad\n3,worse\n");
    const [head, two, three] = await sheetOf(pipeline, table, "a.csv");
    const ids = await Promise.all([
      sendBack(pipeline, table, head!, two!.replace(",2,bad", ",2,2")),
      sendBack(pipeline, table, head!, three!.replace(",3,worse", ",3,3")),
    ]);
    const accepted = ids.filter((id) => id !== undefined);
    const ends = await Promise.all(accepted.map((id) => ended(pipeline, id)));
    assert.equal(ends.filter((end) => end === "committed").length, 1, `${table}: ${ends.join()}`);
    assert.ok(
      ends.every((end) => end === "committed" || end === "FILE_SUPERSEDED"),
      ends.join(),
    );
    const [again, left] = await sheetOf(pipeline, table, "a.csv");
    const id = await sendBack(pipeline, table, again!, left!.replace(/,(bad|worse)$/, ",9"));
    assert.equal(await ended(pipeline, id), "committed", table);
    const found = await valuesOf(pipeline, table);
    assert.deepEqual(
      found.map(([key]) => key),
      [1, 2, 3],
      `${table}: no correction is lost`,
    );
  }
});

test("a row that a newer file confirmed is not overwritten by a correction of an older one", async (t) => {
  const { pipeline } = await start(t);
  for (const table of ["upserted", "mirrored"]) {
    await pipeline.put(table, "monday.csv", "id,v\n1,10\n2,20\n");
    await pipeline.put(table, "tuesday.csv", "id,v\n1,9x\n2,8x\n");
    await pipeline.put(table, "wednesday.csv", "id,v\n1,10\n");
    const [head, ...lines] = await sheetOf(pipeline, table, "tuesday.csv");
    const id = await sendBack(pipeline, table, head!, ...lines.map((line) => line.replace(/x$/, "9")));
    assert.equal(await ended(pipeline, id), "committed");
    assert.deepEqual(
      await valuesOf(pipeline, table),
      [
        [1, 10],
        [2, 89],
      ],
      table,
    );
  }
});

test("append: what failed and was sent again is not appended once more by a replay", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-repetitions-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const strict = { table: "appended", columns: COLUMNS, writeMode: "append", rejects: { countMax: 0 } };
  const text = "id,v\n1,bad\n2,2\n";
  const before = await startPipeline(folder, { contracts: [strict] });
  t.after(() => before.stop());
  const failed = await before.put("appended", "a.csv", text);
  await before.stop();
  assert.equal(failed.status, 422);
  const pipeline = await startPipeline(folder, { contracts: [{ ...strict, rejects: {} }] });
  t.after(() => pipeline.stop());
  assert.equal((await pipeline.put("appended", "a.csv", text)).status, 200);
  const { body } = await pipeline.send("POST", "/v1/tables/appended/replay", {});
  const ends: unknown[] = [];
  for (const { fileId } of body["files"] as { fileId: string }[]) ends.push(await ended(pipeline, fileId));
  assert.deepEqual(await valuesOf(pipeline, "appended"), [[2, 2]]);
  assert.deepEqual(ends, ["FILE_SUPERSEDED", "committed"]);
});
