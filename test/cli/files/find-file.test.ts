import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../../cli/client.ts";
import { findFile, findFileId, shortIds } from "../../../cli/files/find-file.ts";
import { filesText } from "../../../cli/show.ts";
import { UsageError } from "../../../cli/output.ts";
import type { FileAnswer } from "../../../cli/upload.ts";

const file = (fileId: string, table: string, sourceFile: string, status = "committed"): FileAnswer => ({
  ...{ fileId, table, sourceFile, status, sizeBytes: 1, rowsRead: 1, rowsCommitted: 1, rowsRejected: 0 },
  ...{ receivedAt: "2026-01-01T00:00:00Z", durations: { totalMs: 1 }, error: null },
});

const ID = "0190c5e2-7d1c-7aaa-8bbb-";
/** Newest first. */
const FILES = [
  file(`${ID}000000000009`, "sales", "a.csv"),
  file(`${ID}000000000008`, "sales", "a.csv", "held"),
  file("0190c5e2-7d00-7aaa-8bbb-000000000007", "orders", "a.csv", "held"),
  { ...file("0190c5e1-0000-7aaa-8bbb-000000000006", "orders", ""), operation: "drop" as const },
  file("0190c5e0-0000-7aaa-8bbb-000000000005", "orders", "january/b.csv"),
  file("0190c5d0-0000-7aaa-8bbb-000000000004", "orders", "c.csv", "held"),
];

/** A gateway with these files, in pages of `pageFiles`. */
function clientOf(files: readonly FileAnswer[], pageFiles = 1_000): Client {
  const send = (_method: string, path: string): Promise<unknown> => {
    const url = new URL(path, "http://gateway");
    const one = files.find(({ fileId }) => url.pathname.endsWith(fileId));
    if (one) return Promise.resolve(one);
    const table = url.searchParams.get("table");
    const all = files.filter((each) => table === null || each.table === table);
    const from = all.findIndex(({ fileId }) => fileId === url.searchParams.get("cursor")) + 1;
    const page = all.slice(from, from + pageFiles);
    const nextCursor = from + pageFiles < all.length ? page.at(-1)!.fileId : null;
    return Promise.resolve({ files: page, nextCursor });
  };
  return { send, url: "http://gateway" } as unknown as Client;
}

test("a file is found by its id, the beginning of one, and by table/name, on any page", async () => {
  for (const pageFiles of [1_000, 1]) {
    const client = clientOf(FILES, pageFiles);
    for (const [given, end] of [
      [FILES[2]!.fileId, "7"],
      ["0190c5e2-7d00", "7"],
      ["0190C5E0", "5"],
      ["orders/january/b.csv", "5"],
      ["january/b.csv", "5"],
      ["orders/c.csv", "4"],
      ["orders/a.csv", "7"],
    ] as const) {
      assert.equal((await findFile(client, given)).fileId.at(-1), end, given);
    }
  }
  const client = clientOf(FILES);
  assert.equal((await findFileId(client, "sales/a.csv")).at(-1), "9", "the newest version");
  assert.equal((await findFileId(client, "sales/a.csv", { status: "held" })).at(-1), "8", "the held version");
  assert.equal((await findFileId(client, "000004", { lenient: true })).at(-1), "4", "the end of an id");
  assert.equal((await findFileId(client, "c.csv", { lenient: true })).at(-1), "4");
});

test("an id that fits several files lists them; one that fits none says what to pass", async () => {
  const client = clientOf(FILES);
  const fault = async (given: string, search = {}): Promise<string> => {
    const error: unknown = await findFileId(client, given, search).then(
      () => assert.fail(given),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof UsageError);
    return `${error.message}\n${error.remedy}`;
  };
  const several = await fault("0190c5e2");
  assert.match(several, /fits 3 files/);
  for (const { fileId, table, sourceFile } of FILES.slice(0, 3)) {
    assert.ok(several.includes(fileId) && several.includes(`${table}/${sourceFile}`), several);
  }
  assert.match(await fault("a.csv", { lenient: true }), /fits 3 files[^]*sales\/a\.csv[^]*orders\/a\.csv/);
  assert.match(await fault("0190c5e"), /too short for an id\nPass 8 characters/);
  assert.match(
    await fault("c.csv"),
    /none of the newest 6 files is 'c\.csv'\nPass .* table\/name/,
    "not the name alone",
  );
  assert.match(await fault("0190c5e1"), /none of the newest/, "a drop is no file");
});

test("a list shows the beginnings of ids, as long as they differ, and they find their files", async () => {
  assert.deepEqual(shortIds(["0190c5e2-7d1c-7aaa-8bbb-000000000001", "0190c5e2-7d1d-7aaa-8bbb-000000000001"]), [
    "0190c5e2-7d1c",
    "0190c5e2-7d1d",
  ]);
  const listed = FILES.slice(1);
  for (const id of shortIds(listed.map(({ fileId }) => fileId)).filter((_, at) => at !== 2)) {
    assert.ok(filesText(listed).includes(id));
    assert.ok((await findFileId(clientOf(listed), id)).startsWith(id));
  }
});
