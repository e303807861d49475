import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, rm, symlink, utimes, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import type { BlobStore } from "../../../../lib/blob/blob-store.ts";
import { openBlobStore } from "../../../../lib/blob/open.ts";
import { systemClock } from "../../../../lib/clock.ts";
import { contractSchema } from "../../../../lib/contract/contract.ts";
import { contractsOf } from "../../../../lib/contract/load.ts";
import { TributaryError } from "../../../../lib/errors.ts";
import { dropEvents, fileEvents } from "../../../../lib/messages/avro.ts";
import type { DropEvent, FileEvent } from "../../../../lib/messages/generated.ts";
import { GROUPS, TOPICS } from "../../../../lib/messages/topics.ts";
import { Registry } from "../../../../lib/process/metrics.ts";
import { gatewayMetrics } from "../../../../services/gateway/metrics.ts";
import { silentLogger } from "../../../../lib/process/logger.ts";
import { startDrops, type DropPoller } from "../../../../services/gateway/drops/drops.ts";
import type { DropsOptions } from "../../../../services/gateway/drops/watch.ts";
import type { Accepted, IncomingFile, Ingest } from "../../../../services/gateway/ingest/ingest.ts";
import { memoryDrops, type MemoryDrops } from "./memory-drops.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { FakeEventLog } from "../../../support/fake-event-log.ts";
import { until } from "../../../support/until.ts";

/** Publishes file events like the gateway, and keeps the received texts. */
class TestIngest implements Pick<Ingest, "put" | "deleted"> {
  readonly log: FakeEventLog;
  /** `table/sourceFile=text`, `-table/sourceFile` for a deletion, in the order of the events. */
  readonly seen: string[] = [];
  /** The encodings that the poller declares. */
  readonly encodings: (string | undefined)[] = [];
  /** The ids of the file events. */
  readonly ids: string[] = [];
  atOnce = 0;
  atOnceMax = 0;
  /** Called before and after the file event is published. */
  fault: (moment: "before" | "after", file: string) => Promise<void> | void = () => undefined;

  constructor(log: FakeEventLog) {
    this.log = log;
  }

  async put(file: IncomingFile): Promise<Accepted> {
    this.atOnceMax = Math.max(this.atOnceMax, ++this.atOnce);
    try {
      const text = (await buffer(file.body)).toString();
      assert.equal(file.origin, "drop");
      assert.equal(file.sizeBytes, Buffer.byteLength(text));
      const name = `${file.table}/${file.sourceFile}`;
      await this.fault("before", name);
      const accepted = await this.#publish("put", file);
      this.encodings.push(file.dialect?.encoding);
      this.seen.push(`${name}=${text}`);
      await this.fault("after", name);
      return accepted;
    } finally {
      this.atOnce--;
    }
  }

  async deleted(file: Parameters<Ingest["deleted"]>[0]): Promise<Accepted> {
    this.seen.push(`-${file.table}/${file.sourceFile}`);
    return this.#publish("deleted", file);
  }

  async #publish(
    kind: "put" | "deleted",
    {
      table,
      sourceFile,
      origin,
      etag,
      fileId,
    }: Pick<IncomingFile, "table" | "sourceFile" | "origin" | "etag" | "fileId">,
  ): Promise<Accepted> {
    this.ids.push(fileId!);
    const event: FileEvent = {
      fileId: fileId!,
      table,
      sourceFile,
      kind,
      origin,
      blobKey: "",
      sizeBytes: 0,
      contentHash: "",
      etag: etag ?? null,
      receivedAtMs: 0,
      dialectJson: null,
      replayOf: null,
      versionOffset: null,
    };
    const record = { key: table, value: fileEvents.encode(event) };
    const [position] = await this.log.publish(TOPICS.fileEvents.name, [record]);
    return { fileId: event.fileId, offset: position!.offset, sizeBytes: 0, event };
  }
}

interface Scene {
  drops: MemoryDrops;
  log: FakeEventLog;
  ingest: TestIngest;
  counted: string[];
  start: (options?: Partial<DropsOptions>) => Promise<DropPoller>;
  /** Starts a poller that the test closes or abandons. */
  startUnowned: (options?: Partial<DropsOptions>) => Promise<DropPoller>;
  /** The drop events so far, newest of each key. */
  remembered: () => Promise<Map<string, DropEvent>>;
}

async function scene(context: TestContext): Promise<Scene> {
  const log = new FakeEventLog();
  await log.createTopics(Object.values(TOPICS));
  const drops = memoryDrops();
  const ingest = new TestIngest(log);
  const counted: string[] = [];
  const count = (what: string) => (kind: string) => void counted.push(`${what} ${kind}`);
  const throughput = {
    received: count("received"),
    sent: count("sent"),
    error: count("error"),
    dropped: count("dropped"),
  };
  const pollers: DropPoller[] = [];
  context.after(async () => {
    for (const poller of pollers) await poller.close();
    await log.close();
  });
  const contracts = contractsOf([]);
  const { dropsHeld, dropsUnfit, dropsSkipped } = gatewayMetrics(new Registry());
  const metrics = { throughput, dropsHeld, dropsUnfit, dropsSkipped };
  const fixed = { drops, log, ingest, contracts, clock: systemClock, logger: silentLogger(), metrics };
  const startUnowned = (options: Partial<DropsOptions> = {}) => startDrops({ ...fixed, pollMs: 5, ...options });
  return {
    drops,
    log,
    ingest,
    counted,
    startUnowned,
    async start(options) {
      const poller = await startUnowned(options);
      pollers.push(poller);
      return poller;
    },
    async remembered() {
      const newest = new Map<string, DropEvent>();
      for await (const { value } of log.read(TOPICS.drops.name, 0, 0)) {
        if (value.length === 0) continue;
        const event = dropEvents.decode(value);
        if (!event.objectKey.startsWith("/")) newest.set(event.objectKey, event);
      }
      return newest;
    },
  };
}

/** Waits for some further listings. */
const listings = (drops: MemoryDrops, more: number): Promise<unknown> => {
  const goal = drops.listings + more;
  return until(`${more} more listings`, () => drops.listings >= goal);
};

test("ingests each version of each file once, under its table and name", async (context) => {
  const { drops, ingest, start, remembered } = await scene(context);
  drops.drop("Sales Data/jan.csv", "a", 1);
  drops.drop("sales/2024/Jan.CSV.GZ", "b", 2);
  drops.drop("orders/x.tsv", "c", 3);
  await start();
  await until("three files", () => ingest.seen.length === 3);
  assert.deepEqual(ingest.seen.toSorted(), ["orders/x.tsv=c", "sales/2024/Jan.CSV.GZ=b", "sales_data/jan.csv=a"]);
  drops.drop("orders/x.tsv", "d", 4);
  await until("the new version", () => ingest.seen.length === 4);
  assert.equal(ingest.seen[3], "orders/x.tsv=d");
  await listings(drops, 3);
  assert.equal(ingest.seen.length, 4);
  const events = await remembered();
  assert.equal(events.get("orders/x.tsv")!.fileId, ingest.ids[3]);
  assert.equal(events.size, 3);
});

test("ingests returning content as a new version", async (context) => {
  const { drops, ingest, start } = await scene(context);
  drops.drop("t/x.csv", "one");
  await start();
  for (const text of ["one", "two", "one", "two"]) {
    drops.drop("t/x.csv", text);
    await until(text, () => ingest.seen.at(-1) === `t/x.csv=${text}`);
  }
  assert.equal(ingest.seen.length, 4);
});

test("keeps ingested versions across a restart", async (context) => {
  const { drops, ingest, start, remembered } = await scene(context);
  drops.drop("t/x.csv", "one");
  drops.drop("t/y.csv", "one");
  const first = await start();
  await until("both remembered", async () => (await remembered()).size === 2);
  await first.close();
  drops.drop("t/y.csv", "two");
  await start();
  await until("the new version", () => ingest.seen.length === 3);
  await listings(drops, 2);
  assert.deepEqual(ingest.seen, ["t/x.csv=one", "t/y.csv=one", "t/y.csv=two"]);
});

test("ingests nothing twice after a crash between the file event and the drop event", async (context) => {
  const { drops, ingest, log, start, startUnowned, remembered } = await scene(context);
  drops.drop("t/x.csv", "one");
  const stuck = new Set<string>();
  ingest.fault = (moment, file) => {
    if (moment === "before") return;
    stuck.add(file);
    return new Promise(() => undefined);
  };
  await startUnowned();
  await until("the file event", () => stuck.size === 1);
  log.kill(GROUPS.drops);
  ingest.fault = () => undefined;
  drops.drop("t/y.csv", "two");
  await start();
  await until("both drop events", async () => (await remembered()).size === 2);
  assert.deepEqual(ingest.seen, ["t/x.csv=one", "t/y.csv=two"]);
  assert.equal((await remembered()).get("t/x.csv")!.fileId, ingest.ids[0]);
});

test("detects the deletion of an object without a drop event", async (context) => {
  for (const code of ["DISK_FULL", "LOG_UNAVAILABLE"] as const) {
    const { drops, ingest, start, remembered } = await scene(context);
    drops.drop("t/x.csv", "one");
    ingest.fault = (moment) => {
      if (moment === "before") return;
      drops.remove("t/x.csv");
      throw new TributaryError(code, "simulated");
    };
    await start();
    await until("the deletion", async () => (await remembered()).get("t/x.csv")?.deleted === true);
    assert.deepEqual(ingest.seen, ["t/x.csv=one", "-t/x.csv"]);
  }
});

test("ingests nothing twice when the log's response is lost", async (context) => {
  const { drops, ingest, start, remembered, counted } = await scene(context);
  drops.drop("t/x.csv", "one");
  let failures = 0;
  ingest.fault = (moment) => {
    if (moment === "after" && failures++ === 0) throw new TributaryError("LOG_UNAVAILABLE", "no answer");
  };
  await start();
  await until("the drop event", async () => (await remembered()).has("t/x.csv"));
  assert.deepEqual(ingest.seen, ["t/x.csv=one"]);
  assert.deepEqual(counted, ["error LOG_UNAVAILABLE"]);
});

test("one of several gateways watches, and another takes over when it ends", async (context) => {
  const { drops, ingest, start, startUnowned } = await scene(context);
  const first = await startUnowned();
  await start();
  await start();
  drops.drop("t/1.csv", "1");
  await until("the first file", () => ingest.seen.length === 1);
  await first.close();
  await first.close();
  drops.drop("t/2.csv", "2");
  await until("the second file", () => ingest.seen.length === 2);
  await listings(drops, 3);
  assert.deepEqual(ingest.seen, ["t/1.csv=1", "t/2.csv=2"]);
});

test("ingests one table in order, oldest first, and several tables concurrently", async (context) => {
  const { drops, ingest, start } = await scene(context);
  const ages = [5, 3, 9, 1, 7, 3];
  for (const table of ["a", "b", "c"]) ages.forEach((age, n) => drops.drop(`${table}/${n}.csv`, "x", age));
  ingest.fault = async (moment) => {
    if (moment === "before") await until("another table's file", () => ingest.atOnce >= 2 || ingest.seen.length >= 11);
  };
  await start({ concurrentTablesMax: 2 });
  await until("all files", () => ingest.seen.length === 18);
  for (const table of ["a", "b", "c"]) {
    const order = ingest.seen.filter((file) => file.startsWith(`${table}/`));
    assert.deepEqual(
      order,
      [3, 1, 5, 0, 4, 2].map((n) => `${table}/${n}.csv=x`),
    );
  }
  assert.equal(ingest.atOnceMax, 2);
});

test("ingests thousands of objects of one listing", async (context) => {
  const { drops, ingest, start } = await scene(context);
  for (let n = 0; n < 3000; n++) drops.drop(`t${n % 7}/${n}.csv`, "x");
  await start();
  await until("all files", () => ingest.seen.length === 3000);
  assert.equal(new Set(ingest.seen).size, 3000);
});

test("an object missing from two listings is deleted once, and may return", async (context) => {
  const { drops, ingest, start, remembered } = await scene(context);
  drops.drop("t/x.csv", "one");
  drops.drop("t/y.csv", "one");
  const first = await start();
  await until("both", async () => (await remembered()).size === 2);
  drops.remove("t/x.csv");
  await until("the deletion", async () => (await remembered()).get("t/x.csv")!.deleted);
  await first.close();
  await start();
  await listings(drops, 4);
  drops.drop("t/x.csv", "one");
  await until("it is back", () => ingest.seen.length === 4);
  assert.deepEqual(ingest.seen, ["t/x.csv=one", "t/y.csv=one", "-t/x.csv", "t/x.csv=one"]);
});

test("a gateway that lost the watch publishes the id that its successor has published", async (context) => {
  const { drops, ingest, log, start, startUnowned, remembered } = await scene(context);
  drops.drop("t/x.csv", "one");
  let wakeUp = (): void => undefined;
  const asleep = new Promise<void>((resolve) => (wakeUp = resolve));
  let sleeping = 0;
  ingest.fault = (moment) => (moment === "before" && sleeping++ === 0 ? asleep : undefined);
  await startUnowned();
  await until("the first gateway sleeps", () => sleeping === 1);
  log.kill(GROUPS.drops);
  await start();
  await until("the successor's event", async () => (await remembered()).has("t/x.csv"));
  wakeUp();
  await until("the late event", () => ingest.ids.length === 2);
  assert.equal(ingest.ids[0], ingest.ids[1]);
});

test("each new version of an object has an id of its own, also with an earlier content", async (context) => {
  const { drops, ingest, start, remembered } = await scene(context);
  await start();
  for (const text of ["one", "two", "one"]) {
    drops.drop("t/x.csv", text);
    await until(text, () => ingest.seen.at(-1) === `t/x.csv=${text}`);
  }
  drops.remove("t/x.csv");
  await until("the deletion", async () => (await remembered()).get("t/x.csv")!.deleted);
  drops.drop("t/x.csv", "one");
  await until("it is back", () => ingest.seen.length === 5);
  assert.equal(new Set(ingest.ids).size, 5);
});

test("a late event of an older version is covered by the object again, except in an append table", async (context) => {
  for (const writeMode of ["replace", "append"] as const) {
    const { drops, ingest, start } = await scene(context);
    drops.drop("t/x.csv", "new");
    await start({ contracts: contractsOf([contractSchema.parse({ table: "t", writeMode })]) });
    await until("the version", () => ingest.seen.length === 1);
    await listings(drops, 2);
    const late = {
      table: "t",
      sourceFile: "x.csv",
      origin: "drop",
      etag: "older",
      sizeBytes: 3,
      fileId: "late",
    } as const;
    await ingest.put({ ...late, body: Readable.from([Buffer.from("old")], { objectMode: false }) });
    if (writeMode === "replace") await until("the object again", () => ingest.seen.length === 3);
    await listings(drops, 3);
    assert.deepEqual(ingest.seen, ["t/x.csv=new", "t/x.csv=old", ...(writeMode === "replace" ? ["t/x.csv=new"] : [])]);
  }
});

test("the charset of an object is the declared encoding; an unknown one keeps it out until it is corrected", async (context) => {
  const { drops, ingest, start } = await scene(context);
  drops.drop("t/a.csv", "1", 1, "Shift_JIS");
  drops.drop("t/b.csv", "2", 2, "utf-8");
  drops.drop("t/c.csv", "3", 3, "shift_jsi");
  const poller = await start();
  await until("two files", () => ingest.seen.length === 2);
  await until("the third is reported", () => poller.state().unfitCount === 1);
  assert.deepEqual(ingest.encodings, ["shift_jis", undefined]);
  const [reported] = poller.state().unfit;
  assert.match(reported?.reason ?? "", /charset: unknown encoding 'shift_jsi': did you mean 'shift_jis'\?/);
  drops.drop("t/c.csv", "3", 4, "shift_jis");
  await until("the third", () => ingest.seen.length === 3);
  assert.deepEqual(ingest.encodings, ["shift_jis", undefined, "shift_jis"]);
});

test("two objects that mean one file: the first is the file until it is deleted, then the other", async (context) => {
  const { drops, ingest, start, counted, remembered } = await scene(context);
  drops.drop("sales/jan.csv", "one");
  const poller = await start();
  await until("the first", () => ingest.seen.length === 1);
  drops.drop("Sales/jan.csv", "two");
  await until("the other is reported", () => poller.state().unfitCount === 1);
  await listings(drops, 3);
  assert.deepEqual(ingest.seen, ["sales/jan.csv=one"]);
  assert.deepEqual(counted, ["dropped drop_unfit"]);
  assert.equal(poller.state().unfit[0]!.key, "Sales/jan.csv");
  drops.remove("sales/jan.csv");
  await until("the other is the file", () => ingest.seen.length === 2);
  assert.deepEqual(ingest.seen, ["sales/jan.csv=one", "sales/jan.csv=two"]);
  assert.equal((await remembered()).get("sales/jan.csv")!.deleted, true);
  drops.remove("Sales/jan.csv");
  await until("the last goes", () => ingest.seen.length === 3);
  assert.equal(ingest.seen[2], "-sales/jan.csv");
  await until("nothing is unfit", () => poller.state().unfitCount === 0);
});

test("objects of one file in one listing: one is ingested, and deleting the other deletes nothing", async (context) => {
  const { drops, ingest, start, remembered } = await scene(context);
  drops.drop("Sales EU/jan.csv", "one");
  drops.drop("sales_eu/jan.csv", "two");
  const poller = await start();
  await until("one is reported", () => poller.state().unfitCount === 1);
  assert.equal(ingest.seen.length, 1);
  drops.remove(poller.state().unfit[0]!.key);
  await until("nothing is unfit", () => poller.state().unfitCount === 0);
  await listings(drops, 3);
  assert.equal(ingest.seen.length, 1);
  assert.equal((await remembered()).size, 1);
});

test("many objects missing at once are deleted only after a confirmation", async (context) => {
  const { drops, ingest, start } = await scene(context);
  for (let n = 0; n < 4; n++) {
    drops.drop(`sales/2024/${n}.csv`, "x");
    drops.drop(`sales/2025/${n}.csv`, "x");
  }
  drops.drop("other/1.csv", "x");
  const first = await start();
  await until("all", () => ingest.seen.length === 9);
  for (let n = 0; n < 4; n++) drops.remove(`sales/2024/${n}.csv`);
  drops.remove("other/1.csv");
  await until("the single deletion", () => ingest.seen.length === 10);
  const held = [{ folder: "sales/2024/", missing: 4, known: 4 }];
  await until("the others are held", () => first.state().held.length === 1);
  await listings(drops, 3);
  assert.deepEqual(first.state().held, held);
  assert.deepEqual(ingest.seen.slice(9), ["-other/1.csv"]);
  // Another gateway tells the same, and its confirmation reaches the one that watches.
  const second = await start();
  await until("the state", () => second.state().held.length === 1);
  assert.deepEqual([second.state().held, second.state().watching], [held, false]);
  await assert.rejects(second.confirmDeletions("sales/", 4), { code: "NOT_FOUND" });
  await assert.rejects(second.confirmDeletions("sales/2024/", 3), { code: "BAD_REQUEST" });
  await second.confirmDeletions("sales/2024/", 4);
  await until("the deletions", () => ingest.seen.length === 14);
  assert.equal(ingest.seen.filter((one) => one.startsWith("-sales/2024/")).length, 4);
  await until("nothing is held", () => second.state().held.length === 0);
});

test("objects that come back from an unmounted folder are as if they had never left", async (context) => {
  const { drops, ingest, start } = await scene(context);
  for (let n = 0; n < 5; n++) drops.drop(`t/${n}.csv`, String(n));
  const poller = await start();
  await until("all", () => ingest.seen.length === 5);
  for (let n = 0; n < 5; n++) drops.remove(`t/${n}.csv`);
  await until("they are held", () => poller.state().held.length === 1);
  for (let n = 0; n < 5; n++) drops.drop(`t/${n}.csv`, String(n));
  await until("nothing is held", () => poller.state().held.length === 0);
  await listings(drops, 3);
  assert.equal(ingest.seen.length, 5);
});

test("old deletions are forgotten; an object that returns after that gets a new id", async (context) => {
  const { drops, ingest, log, start, remembered } = await scene(context);
  const clock = new FakeClock();
  drops.drop("t/x.csv", "one");
  drops.drop("t/y.csv", "one");
  await start({ clock });
  const pass = async (what: string, condition: () => boolean | Promise<boolean>, ms: number) =>
    until(what, async () => {
      clock.advance(ms);
      return condition();
    });
  await pass("both", async () => (await remembered()).size === 2, 10);
  drops.remove("t/x.csv");
  await pass("the deletion", async () => (await remembered()).get("t/x.csv")!.deleted, 10);
  const isForgotten = async (): Promise<boolean> => {
    for await (const { key, value } of log.read(TOPICS.drops.name, 0, 0)) {
      if (key === "t/x.csv" && value.length === 0) return true;
    }
    return false;
  };
  await pass("it is forgotten", isForgotten, 24 * 60 * 60 * 1000);
  drops.drop("t/x.csv", "one");
  await pass("it is back", () => ingest.seen.length === 4, 10);
  assert.equal(new Set(ingest.ids).size, 4);
});

test("a listing that fails midway deletes nothing, and polling continues", async (context) => {
  const { drops, ingest, start, counted } = await scene(context);
  drops.drop("t/x.csv", "one");
  const clock = new FakeClock();
  await start({ clock });
  await until("the file", () => ingest.seen.length === 1);
  const unavailable = new TributaryError("BLOB_UNAVAILABLE", "gone fishing");
  drops.fault = (method) => {
    if (method === "list") throw unavailable;
  };
  await until("three failures", () => {
    clock.advance(10_000);
    return counted.length >= 3;
  });
  drops.fault = () => undefined;
  drops.drop("t/y.csv", "two");
  await until("the next file", () => {
    clock.advance(10_000);
    return ingest.seen.length === 2;
  });
  assert.deepEqual(ingest.seen, ["t/x.csv=one", "t/y.csv=two"]);
  assert.ok(counted.every((what) => what === "error BLOB_UNAVAILABLE"));
});

test("unfit objects are counted once and skipped; unfinished and hidden ones are ignored", async (context) => {
  const { drops, ingest, start, counted } = await scene(context);
  const unfit = [
    "top.csv",
    "t/readme.md",
    "???/x.csv",
    "t/x.csv.bz2",
    "t/bad\u0007name.csv",
    `t/${"x".repeat(513)}.csv`,
  ];
  for (const key of unfit) drops.drop(key, "x");
  for (const key of ["t/", "t/x.csv.part", "t/.x.csv.swp", ".hidden/x.csv", "t/x.csv~", "t/x.tmp", "a.crdownload"]) {
    drops.drop(key, "x");
  }
  drops.drop("t/fits.csv", "x");
  await start();
  await until("the one that fits", () => ingest.seen.length === 1);
  await listings(drops, 3);
  assert.deepEqual(
    counted,
    unfit.map(() => "dropped drop_unfit"),
  );
  assert.equal(ingest.seen.length, 1);
});

test("an object that changes during its ingest is ingested again, and one that is deleted is not", async (context) => {
  const { drops, ingest, start } = await scene(context);
  drops.drop("t/x.csv", "one");
  drops.drop("t/y.csv", "one");
  let gets = 0;
  drops.fault = (method, key) => {
    if (method !== "get" || gets++ >= 2) return;
    if (key === "t/x.csv") drops.drop(key, "two");
    else drops.remove(key);
  };
  await start();
  await until("the new version", () => ingest.seen.length === 1);
  await listings(drops, 3);
  assert.deepEqual(ingest.seen, ["t/x.csv=two"]);
});

test("a failed version is retried later, or never if the failure is not retryable", async (context) => {
  const { drops, ingest, start, counted } = await scene(context);
  drops.drop("t/full.csv", "x");
  drops.drop("u/large.csv", "x");
  const tries = { "t/full.csv": 0, "u/large.csv": 0 } as Record<string, number>;
  ingest.fault = (moment, file) => {
    if (moment === "after") return;
    if (file === "u/large.csv") throw new TributaryError("BODY_TOO_LARGE", String(++tries[file]!));
    if (++tries[file]! < 4) throw new TributaryError("DISK_FULL", "no room");
  };
  const clock = new FakeClock();
  await start({ clock });
  const pass = async (ms: number, step: number) => {
    const goal = drops.listings + 2;
    clock.advance(ms);
    await until("two listings", () => {
      clock.advance(step);
      return drops.listings >= goal;
    });
  };
  await until("the first tries", () => counted.length === 2);
  await pass(500, 5);
  assert.equal(tries["t/full.csv"], 1);
  await until("the file", async () => {
    await pass(1_000, 500);
    return ingest.seen.length === 1;
  });
  await pass(100_000, 100_000);
  assert.deepEqual(tries, { "t/full.csv": 4, "u/large.csv": 1 });
  ingest.fault = () => undefined;
  drops.drop("u/large.csv", "smaller");
  await until("its new version", async () => {
    await pass(1_000, 500);
    return ingest.seen.includes("u/large.csv=smaller");
  });
});

test("the body of an object refused before reading is closed", async (context) => {
  const { drops, ingest, start, counted } = await scene(context);
  drops.drop("t/x.csv", "x");
  let body: Readable | undefined;
  const put = (file: IncomingFile): Promise<Accepted> => {
    body = file.body;
    throw new TributaryError("DISK_FULL", "no room");
  };
  await start({ ingest: { put, deleted: (file) => ingest.deleted(file) } });
  await until("the refusal", () => counted.length === 1);
  assert.ok(body?.destroyed);
});

test("a trigger with keys ingests them at once, one without lists the store", async (context) => {
  const { drops, ingest, start } = await scene(context);
  const clock = new FakeClock();
  const poller = await start({ clock });
  await until("the first listing", () => drops.listings === 1);
  drops.drop("t/x.csv", "one");
  drops.drop("t/y.csv", "one");
  poller.trigger(["t/x.csv", "t/x.csv", "not/csv", "/", "..", "nothing/there.txt.gz.md"]);
  await until("the named file", () => ingest.seen.length === 1);
  assert.deepEqual([ingest.seen, drops.listings], [["t/x.csv=one"], 1]);
  poller.trigger();
  await until("the other file", () => ingest.seen.length === 2);
  drops.remove("t/x.csv");
  poller.trigger(["t/x.csv"]);
  await until("a listing for the one that is gone", () => drops.listings === 3);
});

test("closing aborts running reads and ingests nothing more", async (context) => {
  const { drops, ingest, startUnowned, counted } = await scene(context);
  for (let n = 0; n < 50; n++) drops.drop(`t/${n}.csv`, "x");
  let release = (): void => undefined;
  ingest.fault = (moment) => (moment === "before" ? new Promise((resolve) => (release = resolve)) : undefined);
  const poller = await startUnowned();
  await until("a file", () => ingest.atOnce === 1);
  const closing = poller.close();
  release();
  await closing;
  poller.trigger();
  assert.equal(ingest.seen.length, 1);
  assert.deepEqual(counted, []);
});

/** A folder as the drop store of a poller whose clock stands still between polls. */
async function folderScene(context: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "tributary-drops-"));
  const drops = await openBlobStore(`file:${folder}`);
  context.after(async () => {
    await drops.close();
    await rm(folder, { recursive: true });
  });
  const { ingest, start } = await scene(context);
  const clock = new FakeClock();
  let polls = 0;
  const counting: BlobStore = {
    ...{ url: drops.url, supports: drops.supports, ready: () => drops.ready(), space: () => drops.space() },
    ...{ get: drops.get.bind(drops), head: drops.head.bind(drops), put: drops.put.bind(drops) },
    ...{ delete: drops.delete.bind(drops), move: drops.move.bind(drops), close: () => drops.close() },
    async *list(prefix, options) {
      yield* drops.list(prefix, options);
      polls++;
    },
  };
  const poller = await start({ drops: counting, clock, pollMs: 500, settleMs: 1_000 });
  const poll = async (times: number) => {
    for (let n = 0; n < times; n++) {
      const goal = polls + 1;
      clock.advance(500);
      await until("a poll", () => polls >= goal);
    }
  };
  await until("the first poll", () => polls === 1);
  return { folder, ingest, poll, poller };
}

test("in a folder: a file still being written is not ingested, links and hidden files never", async (context) => {
  const { folder, ingest, poll } = await folderScene(context);
  await mkdir(`${folder}/sales/2024`, { recursive: true });
  await writeFile(`${folder}/sales/2024/jan.csv`, "a\n");
  await writeFile(`${folder}/secret.csv`, "secret");
  await symlink(`${folder}/secret.csv`, `${folder}/sales/link.csv`);
  await writeFile(`${folder}/sales/.jan.csv.swp`, "x");
  for (let n = 0; n < 5; n++) {
    await appendFile(`${folder}/sales/2024/jan.csv`, `${n}\n`);
    await poll(2);
    assert.deepEqual(ingest.seen, []);
  }
  await poll(2);
  await until("the whole file", () => ingest.seen.length === 1);
  assert.deepEqual(ingest.seen, ["sales/2024/jan.csv=a\n0\n1\n2\n3\n4\n"]);
  await unlink(`${folder}/sales/2024/jan.csv`);
  await poll(5);
  await until("the deletion", () => ingest.seen.length === 2);
  await poll(3);
  assert.deepEqual(ingest.seen[1], "-sales/2024/jan.csv");
});

test("in a folder: every entry that is not ingested is listed with its kind", async (context) => {
  const { folder, ingest, poll, poller } = await folderScene(context);
  await mkdir(`${folder}/sales/.git`, { recursive: true });
  await writeFile(`${folder}/sales/good.csv`, "a\n");
  await writeFile(`${folder}/sales/.hidden.csv`, "a\n");
  await writeFile(`${folder}/sales/x.csv.part`, "a\n");
  await writeFile(`${folder}/sales/x.xlsx`, "a\n");
  await writeFile(`${folder}/sales/%+x.csv`, "a\n");
  await writeFile(`${folder}/loose.csv`, "a\n");
  await writeFile(Buffer.concat([Buffer.from(`${folder}/sales/`), Buffer.from([0xdc]), Buffer.from("ber.csv")]), "a\n");
  await mkdir(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xdc])]));
  await symlink(`${folder}/sales/good.csv`, `${folder}/sales/link.csv`);
  await mkdir(`${folder}/Sales`);
  await writeFile(`${folder}/Sales/good.csv`, "b\n");
  await poll(5);
  await until("the files", () => ingest.seen.length === 1);
  await poll(2);
  const { unfit, unfitCount, ignored, ignoredCount } = poller.state();
  const kinds = (list: readonly { key: string; kind: string }[]) =>
    list.map(({ key, kind }) => `${key} ${kind}`).sort();
  const isSecond = ingest.seen[0] === "sales/good.csv=a\n" ? "Sales" : "sales";
  assert.deepEqual(
    kinds(unfit),
    [
      "loose.csv folder",
      "sales/%+x.csv name",
      "sales/link.csv link",
      "sales/x.xlsx format",
      "sales/\ufffdber.csv name",
      "\ufffd/ name",
      `${isSecond}/good.csv duplicate`,
    ].sort(),
  );
  assert.deepEqual(kinds(ignored), ["sales/.git/ hidden", "sales/.hidden.csv hidden", "sales/x.csv.part unfinished"]);
  assert.deepEqual([unfitCount, ignoredCount], [unfit.length, ignored.length]);
  assert.ok(unfit.every(({ reason }) => reason.length > 10));
});

test("in a folder: a file overwritten in place with the same size and time is a new version", async (context) => {
  const { folder, ingest, poll } = await folderScene(context);
  await mkdir(`${folder}/t`);
  const path = `${folder}/t/x.csv`;
  const write = async (text: string): Promise<void> => {
    await writeFile(path, text);
    await utimes(path, 1_700_000_000, 1_700_000_000);
  };
  await write("one");
  await poll(5);
  await until("the first", () => ingest.seen.length === 1);
  await poll(4);
  assert.equal(ingest.seen.length, 1, "nothing has changed");
  await write("two");
  await poll(5);
  await until("the second", () => ingest.seen.length === 2);
  assert.deepEqual(ingest.seen, ["t/x.csv=one", "t/x.csv=two"]);
});
