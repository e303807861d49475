import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { withRemedies } from "../../../../lib/contract/remedies/held-remedies.ts";
import type { CommitEvent, FileEvent, FileOutcome, ParseEvent } from "../../../../lib/messages/generated.ts";
import { progressJsonOf } from "../../../../lib/messages/progress.ts";
import {
  describeError,
  noFileFacts,
  fileStateOf,
  statusOf,
  withArrival,
  withEnding,
  withParseEvent,
  withRecount,
  type FileFacts,
} from "../../../../services/gateway/files/status.ts";
import { fileWarnings } from "../../../../services/gateway/files/warnings.ts";
import { fileStatusSchema, isFinal, type FileState } from "../../../../services/gateway/http/schemas.ts";
import { commitEvent, fileOutcome, parseEvent } from "../gateway.ts";

const ID = "0198f3a2-0000-7000-8000-000000000001";

const fileEvent: FileEvent = {
  fileId: ID,
  table: "sales",
  sourceFile: "2024/f.csv",
  kind: "put",
  origin: "upload",
  blobKey: "raw/sha256/00/00",
  sizeBytes: 10,
  contentHash: "00",
  etag: null,
  receivedAtMs: 1_000,
  dialectJson: null,
  replayOf: null,
  versionOffset: null,
};

type Step = (facts: FileFacts) => FileFacts;
const arrives: Step = (facts) => withArrival(facts, fileEvent, 4);
const parses =
  (event: Partial<ParseEvent>): Step =>
  (facts) =>
    withParseEvent(facts, { ...parseEvent(ID), ...event });
const ends =
  (outcome: Partial<FileOutcome>, commit: Partial<CommitEvent> = {}): Step =>
  (facts) => {
    const said = { ...fileOutcome(ID), sourceFile: "2024/f.csv", ...outcome };
    return withEnding(facts, { ...commitEvent([]), ...commit }, said);
  };
const fold = (steps: readonly Step[]): FileFacts => steps.reduce((facts, step) => step(facts), noFileFacts);

const progress = (filesDone: number): string =>
  progressJsonOf({ step: "rows", filesDone, filesTotal: 2, bytesDone: 1, bytesTotal: 9, rowsDone: 0 });

test("a parse shows how far it is only while it runs", () => {
  const amounts = { filesDone: 0, filesTotal: 1, bytesDone: 4, bytesTotal: 9, rowsDone: 2 };
  const report = parses({ phase: "started", atMs: 2, progressJson: progressJsonOf({ step: "parse", ...amounts }) });
  const shown = (steps: readonly Step[]) => statusOf(ID, fold([arrives, ...steps]))?.progress;
  const begin = parses({ phase: "started", atMs: 1 });
  assert.deepEqual(shown([begin, report]), { step: "parse", ...amounts });
  assert.equal(shown([begin, report, parses({ phase: "finished", atMs: 3 })]), null);
  assert.equal(shown([begin, parses({ phase: "finished", atMs: 3 }), report]), null, "a late report");
  assert.equal(shown([begin, report, ends({})]), null);
});

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.constant(arrives),
  fc
    .record({
      phase: fc.constantFrom("started" as const, "finished" as const, "failed" as const),
      atMs: fc.integer({ min: 1, max: 5 }),
      rowsRead: fc.integer({ min: 0, max: 3 }),
      errorCode: fc.constantFrom(null, "DISK_FULL"),
      progressJson: fc.constantFrom(null, null, progress(1), progress(2), "{"),
    })
    .map(parses),
  fc
    .tuple(
      fc.record({
        status: fc.constantFrom("committed" as const, "rejected" as const, "failed" as const),
        rowsCommitted: fc.integer({ min: 0, max: 3 }),
      }),
      fc.record({ committedAtMs: fc.integer({ min: 1, max: 5 }), commitId: fc.constantFrom("a", "b") }),
    )
    .map(([outcome, commit]) => ends(outcome, commit)),
);

const readAgain: fc.Arbitrary<Step> = fc
  .record({
    atMs: fc.integer({ min: 1, max: 5 }),
    status: fc.constantFrom("committed" as const, "rejected" as const),
    rowsRejected: fc.integer({ min: 0, max: 3 }),
  })
  .map(
    ({ atMs, ...outcome }) =>
      (facts) =>
        withRecount(facts, { ...fileOutcome(ID), ...outcome }, atMs),
  );

test("any order of events, with repeats, gives the same status", () => {
  const shuffledTwice = fc
    .array(fc.oneof(anyStep, readAgain), { maxLength: 12 })
    .chain((steps) =>
      fc.tuple(
        fc.constant(steps),
        fc.shuffledSubarray([...steps, ...steps], { minLength: steps.length * 2, maxLength: steps.length * 2 }),
      ),
    );
  fc.assert(
    fc.property(shuffledTwice, ([inOrder, shuffled]) => {
      assert.deepEqual(statusOf(ID, fold(shuffled)), statusOf(ID, fold(inOrder)));
    }),
  );
});

test("a status never moves backwards", () => {
  const RANK: Record<FileState, number> = {
    received: 0,
    parsing: 1,
    parsed: 2,
    blocked: 2,
    held: 3,
    failed: 3,
    rejected: 4,
    committed: 5,
  };
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 12 }), (steps) => {
      let facts = noFileFacts;
      for (const step of steps) {
        const before = RANK[fileStateOf(facts)];
        facts = step(facts);
        assert.ok(RANK[fileStateOf(facts)] >= before);
      }
    }),
  );
});

test("every reachable status matches the published schema", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 8 }), (steps) => {
      const status = statusOf(ID, fold([arrives, ...steps]));
      assert.deepEqual(fileStatusSchema.strict().parse(status), status);
    }),
  );
});

test("states of a file: received, parsing, parsed, committed", () => {
  let facts = arrives(noFileFacts);
  assert.equal(fileStateOf(facts), "received");
  facts = parses({ phase: "started", atMs: 1_100 })(facts);
  assert.equal(fileStateOf(facts), "parsing");
  facts = parses({ phase: "finished", atMs: 1_400 })(facts);
  assert.deepEqual(
    { status: statusOf(ID, facts)!.status, read: statusOf(ID, facts)!.rowsRead },
    { status: "parsed", read: 3 },
  );
  facts = ends({}, { committedAtMs: 1_900 })(facts);
  const status = statusOf(ID, facts)!;
  assert.equal(status.status, "committed");
  assert.deepEqual(status.durations, { queuedMs: 100, parseMs: 5, commitMs: 40, totalMs: 900 });
  assert.equal(status.rowsRead, status.rowsCommitted! + status.rowsRejected!);
  assert.deepEqual(status.columns, [{ name: "id", type: "BIGINT", header: "ID" }]);
  assert.equal(status.sourceOffset, 4);
  assert.equal(status.receivedAt, "1970-01-01T00:00:01.000Z");
});

test("a failed parse shows error and remedy; a later commit of the same file takes precedence", () => {
  const failed = fold([arrives, parses({ phase: "failed", errorCode: "FILE_CORRUPT", errorMessage: "cut" })]);
  const { status, error } = statusOf(ID, failed)!;
  assert.equal(status, "failed");
  assert.equal(error?.code, "FILE_CORRUPT");
  assert.match(error.remedy, /Compress/);
  const retried = statusOf(ID, ends({})(failed))!;
  assert.deepEqual([retried.status, retried.error], ["committed", null]);
});

test("a parse that waits shows the cause until it is tried again", () => {
  const started = parses({ phase: "started", atMs: 1_100 });
  const waits = parses({ phase: "started", atMs: 1_100, errorCode: "DISK_FULL", errorMessage: "5 bytes free" });
  const { status, error } = statusOf(ID, fold([arrives, started, waits]))!;
  assert.deepEqual([status, error?.code, error?.message], ["parsing", "DISK_FULL", "5 bytes free"]);
  assert.match(error!.remedy, /Free space/);
  const again = parses({ phase: "started", atMs: 1_200 });
  assert.equal(statusOf(ID, fold([arrives, started, again, waits]))!.error, null);
  assert.equal(statusOf(ID, fold([arrives, started, waits, parses({})]))!.error, null);
});

test("a held file says why, is parsed again once it is decided, and ends as decided, in any order", () => {
  const reasons = JSON.stringify([{ reason: "empty_version", evidence: "no row" }, { reason: "of a later version" }]);
  const held = { status: "failed" as const, errorCode: "FILE_HELD", errorMessage: "no row" };
  const holds: Step = (facts) => withEnding(facts, commitEvent([]), { ...fileOutcome(ID), ...held }, reasons);
  const decides: Step = (facts) =>
    withArrival(facts, { ...fileEvent, decision: { verdict: "accept", reason: "", decidedBy: "" } }, 9);
  const parsed = parses({ phase: "failed", errorCode: "FILE_HELD", heldReasonsJson: reasons });
  for (const steps of [
    [arrives, parsed],
    [arrives, parsed, holds],
    [arrives, parses({}), holds],
  ]) {
    const { status, heldReasons, error } = statusOf(ID, fold(steps))!;
    assert.deepEqual([status, heldReasons], ["held", withRemedies([{ reason: "empty_version", evidence: "no row" }])]);
    assert.ok(steps.length === 2 || error?.code === "FILE_HELD");
  }
  const after = statusOf(ID, fold([arrives, holds, decides]))!;
  assert.deepEqual([after.status, after.heldReasons, after.error], ["parsing", null, null]);
  const waits = parses({ phase: "started", atMs: 9_000, errorCode: "DISK_FULL", errorMessage: "5 bytes free" });
  assert.equal(statusOf(ID, fold([arrives, parsed, holds, decides, waits]))!.error?.code, "DISK_FULL");
  const steps = [arrives, parsed, holds, decides, parses({}), ends({})];
  for (const order of [steps, steps.toReversed()]) {
    const { status, sourceOffset, error } = statusOf(ID, fold(order))!;
    assert.deepEqual([status, sourceOffset, error], ["committed", 4, null]);
  }
});

test("an unknown error code is shown without a remedy", () => {
  const status = statusOf(ID, fold([arrives, ends({ status: "failed", errorCode: "NEW_FAULT", errorMessage: "m" })]))!;
  assert.deepEqual(status.error, { code: "NEW_FAULT", message: "m", remedy: "" });
});

test("a file known only by its end is shown; one known only by its parse is not", () => {
  assert.equal(statusOf(ID, fold([ends({})]))?.sourceFile, "2024/f.csv");
  assert.equal(statusOf(ID, fold([parses({})])), undefined);
});

test("final states are committed, rejected and failed", () => {
  const states: FileState[] = ["received", "parsing", "parsed", "committed", "rejected", "failed"];
  assert.deepEqual(states.filter(isFinal), ["committed", "rejected", "failed"]);
});

test("an error code that this version does not know has no remedy, whatever its name", () => {
  for (const code of ["constructor", "toString", "__proto__", "OF_A_LATER_VERSION"]) {
    assert.deepEqual(describeError(code, "m"), { code, message: "m", remedy: "" });
  }
});

test("rows that detection left out below the table are a warning; those of a declared footer are not", () => {
  const of = (dialect: Record<string, unknown>) =>
    fileWarnings({ dialect, status: "committed", kind: "put", operation: null, rowsRead: 2 });
  const remedy = "to keep all rows, send the file with --footer 0 (API: ?footer=0)";
  assert.deepEqual(
    of({ footerRows: 1 }).map(({ rule, rows, message }) => [rule, rows, message]),
    [["footer", 0, `the last row is left out (a total or a note below the table); ${remedy}`]],
  );
  const evidence = [{ option: "footer", evidence: '1 row: a note from line 4 on: "by Ann"', confidence: 0.9 }];
  assert.match(of({ footerRows: 1, evidence })[0]!.message, /is left out \(a note from line 4 on: "by Ann"\); to keep/);
  assert.match(of({ footerRows: 3 })[0]!.message, /^the last 3 rows are left out/);
  assert.deepEqual(of({ footer: { rows: 1 } }), []);
  assert.deepEqual(of({ footerRows: 0 }), []);
});

test("a committed file without a row has a warning, in the ledger as well", () => {
  const warned = (facts: FileFacts): string[] => (statusOf(ID, facts)?.warnings ?? []).map(({ rule }) => rule);
  const none = { rowsRead: 0, rowsCommitted: 0, rowsRejected: 0 };
  assert.deepEqual(warned(fold([arrives, ends(none)])), ["no_rows"]);
  assert.deepEqual(warned(fold([arrives, ends({})])), []);
  assert.deepEqual(warned(fold([arrives, ends({ ...none, status: "failed", errorCode: "FILE_EMPTY" })])), []);
  assert.deepEqual(
    fileWarnings({ dialect: null, status: "committed", kind: "put", operation: "drop", rowsRead: 0 }),
    [],
  );
  assert.deepEqual(
    fileWarnings({ dialect: null, status: "committed", kind: "deleted", operation: null, rowsRead: 0 }),
    [],
  );
});

test("a file's warnings stay in its status after the commit, and an event without them has none", () => {
  const warning = { rule: "country", rows: 2, line: 3, message: "'de' does not match ^[A-Z]{2}$ (column 'c')" };
  const status = (warningsJson: string | null) =>
    fold([arrives, parses({ phase: "finished", warningsJson }), ends({})]);
  assert.deepEqual(statusOf(ID, status(JSON.stringify([warning])))?.warnings, [warning]);
  assert.deepEqual(statusOf(ID, status(null))?.warnings, []);
});
