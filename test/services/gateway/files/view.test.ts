import assert from "node:assert/strict";
import { test } from "node:test";
import { withArrival, withEnding, withParseEvent } from "../../../../services/gateway/files/status.ts";
import { FileView } from "../../../../services/gateway/files/view.ts";
import { progressJsonOf } from "../../../../lib/messages/progress.ts";
import type { FileEvent } from "../../../../lib/messages/generated.ts";
import type { FileStatus } from "../../../../services/gateway/http/schemas.ts";
import { commitEvent, fileOutcome, parseEvent } from "../gateway.ts";

const idOf = (n: number): string => `0198f3a2-0000-7000-8000-${String(n).padStart(12, "0")}`;

const fileEvent = (n: number, table: string, receivedAtMs: number): FileEvent => ({
  fileId: idOf(n),
  table,
  sourceFile: `${n}.csv`,
  kind: "put" as const,
  origin: "upload" as const,
  blobKey: "k",
  sizeBytes: 1,
  contentHash: "h",
  etag: null,
  receivedAtMs,
  dialectJson: null,
  replayOf: null,
  versionOffset: null,
});

function arrive(view: FileView, n: number, table = "sales", receivedAtMs = n): void {
  view.apply(idOf(n), (facts) => withArrival(facts, fileEvent(n, table, receivedAtMs), n));
}

function end(view: FileView, n: number, table = "sales"): void {
  view.apply(idOf(n), (facts) =>
    withEnding(facts, { ...commitEvent([]), table }, { ...fileOutcome(idOf(n)), receivedAtMs: n }),
  );
}

const names = (files: FileStatus[]): string[] => files.map(({ sourceFile }) => sourceFile);

test("lists newest first, filtered, in pages", () => {
  const view = new FileView(100);
  for (const n of [3, 1, 2, 5, 4]) arrive(view, n, n === 2 ? "other" : "sales");
  end(view, 4);
  assert.deepEqual(names(view.list({ limit: 10 }).files), ["5.csv", "4.csv", "3.csv", "2.csv", "1.csv"]);
  assert.deepEqual(names(view.list({ table: "other", limit: 10 }).files), ["2.csv"]);
  assert.equal(view.list({ status: "committed", limit: 10 }).files[0]?.fileId, idOf(4));
  const first = view.list({ limit: 2 });
  assert.equal(first.exhausted, false);
  assert.deepEqual(names(view.list({ limit: 2, before: view.place(first.files[1]!.fileId) }).files), [
    "3.csv",
    "2.csv",
  ]);
  assert.equal(view.list({ limit: 5 }).exhausted, true);
});

test("evicts the oldest beyond its bound, and late events do not restore them", () => {
  const view = new FileView(10);
  for (let n = 1; n <= 12; n++) arrive(view, n);
  assert.equal(view.get(idOf(1)), undefined);
  assert.equal(view.get(idOf(2)), undefined);
  assert.equal(view.get(idOf(3))?.sourceFile, "3.csv");
  end(view, 1);
  assert.equal(view.get(idOf(1)), undefined);
  assert.deepEqual(view.list({ limit: 100 }).exhausted, false);
  assert.equal(view.lag("sales").files, 10);
});

test("a file of an old time is kept: the clock may have been set back", () => {
  const view = new FileView(10);
  for (let n = 101; n <= 112; n++) arrive(view, n);
  arrive(view, 1);
  assert.equal(view.get(idOf(1))?.sourceFile, "1.csv");
  assert.deepEqual(names(view.list({ limit: 1, before: { receivedAtMs: 103, fileId: idOf(103) } }).files), ["1.csv"]);
});

test("a repeated file event counts with its first offset, and is not the newest version", () => {
  const view = new FileView(10);
  const event = (fileId: string, offset: number) =>
    view.apply(fileId, (facts) =>
      withArrival(facts, { ...fileEvent(offset, "sales", 1), fileId, sourceFile: "a.csv" }, offset),
    );
  event(idOf(1), 7);
  event(idOf(2), 8);
  event(idOf(1), 9);
  assert.equal(view.get(idOf(1))?.sourceOffset, 7);
  assert.equal(view.newest("sales", "a.csv")?.fileId, idOf(2));
});

test("a held file is counted until it is decided, or until a newer version of it is committed", () => {
  const view = new FileView(100);
  const hold = (n: number): void => {
    const outcome = {
      ...fileOutcome(idOf(n)),
      sourceFile: `${n}.csv`,
      status: "failed" as const,
      errorCode: "FILE_HELD",
    };
    view.apply(idOf(n), (facts) => withEnding(facts, { ...commitEvent([]), table: "sales" }, outcome, "[]"));
  };
  const decided = { ...fileEvent(1, "sales", 1), decision: { verdict: "refuse", reason: "", decidedBy: "" } };
  for (const n of [1, 2]) {
    arrive(view, n);
    hold(n);
  }
  assert.deepEqual([...view.heldFiles()], [["sales", 2]]);
  assert.equal(view.list({ status: "held", limit: 10 }).files.length, 2);
  view.apply(idOf(1), (facts) => withArrival(facts, decided, 7));
  assert.equal(view.get(idOf(1))?.status, "parsing");
  assert.deepEqual([...view.heldFiles()], [["sales", 1]]);
  view.apply(idOf(3), (facts) => withArrival(facts, { ...fileEvent(3, "sales", 3), sourceFile: "2.csv" }, 3));
  assert.deepEqual([...view.heldFiles()], [["sales", 1]], "the newer version is not committed yet");
  end(view, 3);
  assert.deepEqual([...view.heldFiles()], []);
});

test("lag counts files that have arrived and not ended", () => {
  const view = new FileView(100);
  arrive(view, 1, "sales", 50);
  arrive(view, 2, "sales", 40);
  assert.deepEqual(view.lag("sales"), { files: 2, oldestReceivedAtMs: 40 });
  end(view, 2);
  assert.deepEqual(view.lag("sales"), { files: 1, oldestReceivedAtMs: 50 });
  end(view, 1);
  assert.deepEqual(view.lag("sales"), { files: 0, oldestReceivedAtMs: null });
  assert.deepEqual(view.waitingTables(), []);
});

test("a waiter is called at once; an ended file needs no wait", async () => {
  const view = new FileView(100);
  const never = new AbortController().signal;
  arrive(view, 1);
  const waiting = view.ended(idOf(1), never);
  arrive(view, 2);
  end(view, 2);
  end(view, 1);
  assert.equal((await waiting)?.fileId, idOf(1));
  assert.equal((await view.ended(idOf(1), never))?.status, "committed");
});

test("an aborted wait resolves with undefined", async () => {
  const view = new FileView(100);
  arrive(view, 1);
  const leaving = new AbortController();
  const waiting = view.ended(idOf(1), leaving.signal);
  leaving.abort();
  assert.equal(await waiting, undefined);
  assert.equal(await view.ended(idOf(1), AbortSignal.abort()), undefined);
});

test("listeners are called once for every change of state, and for nothing else", () => {
  const view = new FileView(100);
  const heard: string[] = [];
  const stop = view.subscribe(({ status }) => heard.push(status));
  view.apply(idOf(1), (facts) => withParseEvent(facts, { ...parseEvent(idOf(1)), phase: "started" }));
  arrive(view, 1);
  arrive(view, 1);
  view.apply(idOf(1), (facts) => withParseEvent(facts, parseEvent(idOf(1))));
  end(view, 1);
  stop();
  arrive(view, 2);
  assert.deepEqual(heard, ["parsing", "parsed", "committed"]);
});

test("keeps the time of a table's last commit", () => {
  const view = new FileView(100);
  view.noteCommit("sales", 5);
  view.noteCommit("sales", 3);
  assert.equal(view.lastCommitAtMs("sales"), 5);
  assert.equal(view.lastCommitAtMs("other"), null);
});

test("a file says which older one of its table it waits behind, once that one tells how far it is", () => {
  const view = new FileView(10);
  for (const n of [1, 2, 3]) arrive(view, n, n === 3 ? "other" : "sales");
  const waitsFor = (n: number) => view.get(idOf(n))?.waitsFor?.sourceFile ?? null;
  assert.deepEqual([1, 2, 3].map(waitsFor), [null, null, null]);
  const amounts = { filesDone: 0, filesTotal: 1, bytesDone: 5, bytesTotal: 10, rowsDone: 50, rowsTotal: 100 };
  const progressJson = progressJsonOf({ step: "load", ...amounts });
  view.apply(idOf(1), (facts) => withParseEvent(facts, { ...parseEvent(idOf(1)), phase: "started", progressJson }));
  assert.deepEqual([1, 2, 3].map(waitsFor), [null, "1.csv", null]);
  assert.deepEqual(view.get(idOf(2))?.waitsFor?.progress, { step: "load", ...amounts });
  end(view, 1);
  assert.deepEqual([1, 2, 3].map(waitsFor), [null, null, null]);
});
