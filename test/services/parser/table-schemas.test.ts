import assert from "node:assert/strict";
import { test } from "node:test";
import { TOPICS } from "../../../lib/messages/topics.ts";
import type { TableSchema } from "../../../lib/parsing/table-schemas.ts";
import { TableSchemas } from "../../../services/parser/table-schemas.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";

const schemaOf = (...names: string[]): TableSchema => ({
  columns: names.map((name) => ({ name, type: "VARCHAR", header: name })),
  pinned: {
    format: "csv",
    options: { delimiter: ",", quote: '"', escape: '"', encoding: "utf-8", header: true },
  },
});

test("the schema after a newer file stands, whatever a parser that lost its partition still publishes", async (t) => {
  const log = new FakeEventLog();
  t.after(() => log.close());
  await log.createTopics([TOPICS.tableSchemas]);
  const schemas = await TableSchemas.follow(log);
  await schemas.publish("t", 6, schemaOf("a", "b"));
  await schemas.publish("t", 5, schemaOf("a"));
  assert.deepEqual((await schemas.of("t"))?.columns, schemaOf("a", "b").columns);
  await schemas.publish("t", 6, schemaOf("a", "b", "c"));
  assert.deepEqual((await schemas.of("t"))?.columns, schemaOf("a", "b", "c").columns, "the same file parsed again");
});
