import assert from "node:assert/strict";
import { test } from "node:test";
import { TributaryError } from "../../../lib/errors.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { PARSER_THROUGHPUT } from "../../../services/parser/metrics.ts";
import { assertFlow, seriesOf, uncounted, type Flow } from "../../support/counted.ts";
import { withFaults } from "../../support/faults.ts";
import { startHarness } from "./harness.ts";

const flows: Flow[] = [];

test("what happened is counted", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  await harness.send("orders", "a.csv", "id,n\n1,2\n3\n");
  await harness.send("orders", "b.csv", "");
  await harness.send("orders", "a.csv", "", { kind: "deleted", blobKey: "", contentHash: "" });
  await harness.log.publish(TOPICS.fileEvents.name, [{ key: "orders", value: Buffer.from("no Avro at all") }]);
  flows.push(
    await assertFlow(harness.registry, "parser", {
      received: { file: 4 },
      sent: { file: 3, rows: 1, rejects: 1, dead_letter: 2 },
      errors: { FILE_EMPTY: 1 },
      dropped: { "undecodable!": 1 },
    }),
  );
  for (const [series, value] of Object.entries({
    'tributary_parser_files_total{outcome="complete"}': 1,
    'tributary_parser_files_total{outcome="failed"}': 1,
    'tributary_parser_files_total{outcome="deleted"}': 1,
    'tributary_parser_rows_total{outcome="accepted"}': 1,
    'tributary_parser_rows_total{outcome="rejected"}': 1,
    'tributary_parser_rejects_total{reason="too_few_fields"}': 1,
    'tributary_parser_rejects_total{reason="type_mismatch"}': 0,
    tributary_parser_text_bytes_total: 11,
    tributary_parser_parse_seconds_count: 2,
  }))
    assert.equal(await seriesOf(harness.registry, series), value, series);
});

test("attempts that are made again are errors, not drops, and a file is handed on once", async (t) => {
  let failures = 2;
  const harness = await startHarness({
    wrapBlob: (blob) =>
      withFaults(blob, (method, moment) => {
        if (method === "get" && moment === "before" && failures-- > 0)
          throw new TributaryError("BLOB_UNAVAILABLE", "away");
      }),
  });
  t.after(() => harness.close());
  await harness.send("orders", "a.csv", "id\n1\n");
  await assertFlow(harness.registry, "parser", {
    received: { file: 1 },
    sent: { file: 1, rows: 1 },
    errors: { BLOB_UNAVAILABLE: 2 },
  });
});

test("no value of the specification is left uncounted", () => {
  assert.deepEqual(uncounted(PARSER_THROUGHPUT, flows), []);
});
