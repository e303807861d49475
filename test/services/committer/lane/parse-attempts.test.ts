import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { RowMessage } from "../../../../lib/messages/generated.ts";
import type { Stage } from "../../../../lib/warehouse/warehouse.ts";
import { ParseAttempts, type EndedFile } from "../../../../services/committer/lane/parse-attempts.ts";
import { messagesOf, type TestFile } from "../../../support/row-messages.ts";

/** Counts its rows, and keeps the first row of each batch. */
function countingStage(): Stage & { batches: number[] } {
  return {
    rowCount: 0,
    rejectCount: 0,
    sizeBytes: 0,
    batches: [],
    load: async () => undefined,
    append: async () => undefined,
    reject: async () => undefined,
    discard: async () => undefined,
  };
}

type Counting = ReturnType<typeof countingStage>;

const file = (sourceOffset: number, rows = 3, over: Partial<TestFile> = {}): TestFile => ({
  table: "t",
  sourceFile: `f${sourceOffset}`,
  sourceOffset,
  columns: { id: "BIGINT" },
  rows: Array.from({ length: rows }, (_, row) => [row]),
  ...over,
});

const run = (one: TestFile, runId: string): RowMessage[] => messagesOf(one, { runId, batchRows: 1 });

/** Feeds messages at offsets 0, 1, …; returns each step, and the batches of each stage. */
function fold(messages: readonly RowMessage[], watermark?: number, runs = new ParseAttempts(watermark, countingStage)) {
  const steps = messages.map((message, offset) => {
    const step = runs.accept(offset, message);
    if (step.do === "append") (step.stage as Counting).batches.push(step.batch.firstRow);
    return step.do === "skip" ? step.because : step.do;
  });
  return { runs, steps };
}

describe("ParseAttempts", () => {
  test("the first attempt that ends wins; the others and their later messages are discarded", () => {
    const a = run(file(1), "a");
    const b = run(file(1), "b");
    const { runs, steps } = fold([a[0]!, b[0]!, b[1]!, a[1]!, b[2]!, b[3]!, a[2]!, a[3]!]);
    assert.deepEqual(steps, ["append", "append", "append", "append", "append", "end", "superseded", "superseded"]);
    assert.equal(runs.takeDiscarded().length, 1);
    const [ended] = runs.release();
    assert.deepEqual((ended?.stage as Counting).batches, [0, 1, 2]);
    assert.equal(runs.ackable, 0);
    runs.recorded([ended!]);
    assert.equal(runs.ackable, 8);
  });

  test("repeated batches and rejects are applied once", () => {
    const [one, two, three, rejects, end] = run(file(1, 3, { rejected: [2, 5] }), "a") as [RowMessage, ...RowMessage[]];
    const { steps } = fold([one, two!, one, two!, three!, rejects!, rejects!, end!, end!]);
    const expected = "append append repeated repeated append reject repeated end superseded";
    assert.equal(steps.join(" "), expected);
  });

  test("parts of a reject's text are joined once; a lost one spoils the attempt", () => {
    const messages = run(file(1, 1, { rejected: [2] }), "a");
    const [row, reject, end] = messages as [RowMessage, RowMessage, RowMessage];
    const part = (n: number, text: string): RowMessage => ({
      ...reject,
      body: { "tributary.RejectBatch": { rejects: [] } },
      rejectText: { row: 2, part: n, text },
    });
    const runs = new ParseAttempts(undefined, countingStage);
    const sent = [row, part(0, "b"), part(0, "b"), part(1, "c"), part(0, "b"), reject, part(0, "b"), reject, end];
    const steps = sent.map((message, offset) => runs.accept(offset, message));
    const shown = steps.map((step) => (step.do === "skip" ? step.because : step.do)).join(" ");
    assert.equal(shown, "append reject repeated reject repeated reject repeated repeated end");
    const texts = steps.flatMap((step) => (step.do === "reject" ? step.rejects.map(({ raw }) => raw) : []));
    const { raw } = (reject.body as { "tributary.RejectBatch": { rejects: { raw: string }[] } })[
      "tributary.RejectBatch"
    ].rejects[0]!;
    assert.deepEqual(texts, [`${raw}bc`]);
    assert.equal(fold([row, part(1, "c"), reject, end]).steps.join(" "), "append incomplete incomplete end");
  });

  test("after a gap the file waits for another attempt", () => {
    const a = run(file(1), "a");
    const b = run(file(1), "b");
    const { runs, steps } = fold([a[0]!, a[2]!, b[0]!, a[3]!, b[1]!, b[2]!, b[3]!]);
    assert.equal(steps.join(" "), "append incomplete append incomplete append append end");
    assert.equal(runs.release()[0]?.missing, undefined);
  });

  test("an attempt that ends with a gap fails its file if no other is running", () => {
    const a = run(file(1), "a");
    const { runs, steps } = fold([a[0]!, a[2]!, a[3]!]);
    assert.equal(steps.at(-1), "end");
    assert.match(runs.release()[0]!.missing!.message, /rows 2–2 are missing/);
    const lastBatchLost = fold([a[0]!, a[1]!, a[3]!]).runs.release()[0];
    assert.match(lastBatchLost!.missing!.message, /2 of 3 accepted and 0 of 0 rejected rows/);
  });

  test("files are released in order: none passes an older open file", () => {
    const [old, young] = [run(file(1), "a"), run(file(2), "a")];
    const { runs } = fold([old[0]!, ...young]);
    assert.deepEqual(runs.release(), []);
    fold(old.slice(1), undefined, runs);
    assert.deepEqual(
      runs.release().map(({ sourceOffset }) => sourceOffset),
      [1, 2],
    );
  });

  test("messages up to the watermark are skipped and acked", () => {
    const { runs, steps } = fold([...run(file(1), "a"), ...run(file(2), "a"), ...run(file(3), "a").slice(0, 1)], 2);
    assert.deepEqual(new Set(steps.slice(0, 8)), new Set(["absorbed"]));
    assert.equal(runs.ackable, 8);
    assert.equal(runs.hasOpenFiles, true);
  });
});

/** A generated file: its rows and its parse attempts; the last one ends. */
interface Story {
  rows: number;
  /**
   * Messages that each zombie attempt published before the file was parsed again; zombies may continue later.
   */
  zombies: number[];
}

const stories = fc.array(fc.record({ rows: fc.nat(4), zombies: fc.array(fc.nat(5), { maxLength: 2 }) }), {
  minLength: 1,
  maxLength: 6,
});

/** rows.<table> as parsers may write it: files in order, messages of zombies anywhere, and repeats. */
function publish(all: readonly Story[], pick: (n: number) => number): RowMessage[] {
  const published: RowMessage[] = [];
  const zombies: RowMessage[][] = [];
  const put = (message: RowMessage): void => {
    published.push(message);
    if (pick(5) === 0) published.push(message);
    const zombie = zombies[pick(8)];
    const late = zombie?.shift();
    if (late) published.push(late);
  };
  all.forEach(({ rows, zombies: begun }, index) => {
    begun.forEach((count, at) => {
      const messages = run(file(index + 1, rows), `zombie-${at}`);
      messages.slice(0, Math.min(count, rows)).forEach(put);
      zombies.push(messages.slice(Math.min(count, rows)));
    });
    run(file(index + 1, rows), "good").forEach(put);
  });
  return [...published, ...zombies.flat()];
}

test("with zombies, repeats and crashes: every file is applied once, complete and in order, and nothing unfinished is acked", () => {
  const property = fc.property(stories, fc.infiniteStream(fc.nat(1_000_000)), (all, stream) => {
    const pick = (n: number): number => (stream.next().value as number) % n;
    const topic = publish(all, pick);
    let acked = 0;
    let watermark: number | undefined;
    const taken: number[] = [];
    let crashes = 5;
    for (let life = 0; acked < topic.length && life < 10; life++) {
      const runs = new ParseAttempts(watermark, countingStage);
      const ready: EndedFile[] = [];
      for (let offset = acked; offset < topic.length; offset++) {
        const step = runs.accept(offset, topic[offset]!);
        if (step.do === "append") (step.stage as Counting).batches.push(step.batch.firstRow);
        ready.push(...runs.release());
        const due = pick(3) === 0 || offset === topic.length - 1 ? ready.splice(0) : [];
        if (crashes > 0 && pick(15) === 0) {
          crashes--;
          break;
        }
        for (const one of due) {
          assert.equal(one.missing, undefined);
          assert.equal((one.stage as Counting).batches.length, one.end.rowsAccepted);
        }
        runs.recorded(due);
        taken.push(...due.map(({ sourceOffset }) => sourceOffset));
        watermark = taken.at(-1);
        acked = runs.ackable!;
        const unfinished = topic.slice(0, acked).filter(({ sourceOffset }) => sourceOffset > (watermark ?? 0));
        assert.deepEqual(unfinished, [], "acked a message of a file that is not on record");
      }
    }
    assert.deepEqual(
      taken,
      all.map((_, index) => index + 1),
    );
  });
  fc.assert(property, { numRuns: 500 });
});
