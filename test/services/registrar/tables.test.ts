import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CommitEvent, TableSchemaEvent } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { nameUuid } from "../../../services/registrar/name-uuid.ts";
import { isPaused, pause, type Pauses } from "../../../services/registrar/pauses.ts";
import {
  ANY_COLUMNS,
  columnsKey,
  columnsOf,
  foldTableCommit,
  foldSupersetState,
  foldSchema,
  isRegistrationPending,
  knownTableOf,
  type KnownTables,
} from "../../../services/registrar/tables.ts";

const NOW = Date.UTC(2024, 0, 15);
const columnsAt = (offset: number) => [{ name: `c${offset}`, type: "VARCHAR", header: "" }];
const schemaAt = (sourceOffset: number): TableSchemaEvent => ({
  table: "t",
  sourceOffset,
  columns: columnsAt(sourceOffset),
  dialectJson: "{}",
});
const commitOf = (...offsets: number[]): CommitEvent =>
  ({ table: "t", files: offsets.map((sourceOffset) => ({ sourceOffset })) }) as unknown as CommitEvent;
const look = (inTrino: string[], datasets: Record<string, { columns: string; physical: boolean }> = {}) => ({
  commitsBefore: new Map<string, number>(),
  inTrino: new Set(inTrino),
  datasets: new Map(Object.entries(datasets)),
});

test("new columns count after their file's commit, not after its parse", () => {
  const tables: KnownTables = new Map();
  foldSchema(tables, schemaAt(3), NOW);
  const known = knownTableOf(tables, "t");
  assert.equal(columnsOf(known, NOW), ANY_COLUMNS);
  foldTableCommit(tables, commitOf(1, 2));
  assert.equal(columnsOf(known, NOW), ANY_COLUMNS);
  foldTableCommit(tables, commitOf(3));
  assert.equal(columnsOf(known, NOW), columnsKey(columnsAt(3)));
});

test("a schema older than the retention of commits needs no commit", () => {
  const tables: KnownTables = new Map();
  foldSchema(tables, schemaAt(3), NOW - TOPICS.commits.retentionMs - 1);
  assert.equal(columnsOf(knownTableOf(tables, "t"), NOW), columnsKey(columnsAt(3)));
});

test("events in any order and repeated give the same columns: those of the newest committed schema", () => {
  const event = fc.record({ kind: fc.constantFrom("schema", "commit"), offset: fc.nat(8) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), fc.infiniteStream(fc.nat()), (events, shuffle) => {
      const after = (ordered: typeof events): string => {
        const tables: KnownTables = new Map();
        for (const { kind, offset } of ordered) {
          if (kind === "schema") foldSchema(tables, schemaAt(offset), NOW);
          else foldTableCommit(tables, commitOf(offset));
        }
        return columnsOf(knownTableOf(tables, "t"), NOW);
      };
      const shuffled = [...events, ...events]
        .map((one) => ({ one, at: shuffle.next().value as number }))
        .sort((a, b) => a.at - b.at)
        .map(({ one }) => one);
      assert.equal(after(shuffled), after(events));
      const of = (kind: string) =>
        Math.max(-1, ...events.filter((one) => one.kind === kind).map(({ offset }) => offset));
      const [schema, committed] = [of("schema"), of("commit")];
      assert.equal(after(events), schema >= 0 && committed >= schema ? columnsKey(columnsAt(schema)) : ANY_COLUMNS);
    }),
  );
});

test("a table missing in Trino waits for its next commit, also for one during the reading of Superset's state", () => {
  const tables: KnownTables = new Map();
  foldSchema(tables, schemaAt(0), NOW);
  const known = knownTableOf(tables, "t");
  foldSupersetState(tables, look([]), NOW);
  assert.equal(isRegistrationPending(known, NOW), false);
  foldTableCommit(tables, commitOf(0));
  assert.equal(isRegistrationPending(known, NOW), true);
  // Two more commits: the second comes after the reading of the state started, which still lacks the table.
  const before = { ...look([]), commitsBefore: new Map([["t", known.commits]]) };
  foldTableCommit(tables, commitOf(1));
  foldSupersetState(tables, before, NOW);
  assert.equal(isRegistrationPending(known, NOW), true);
});

test("trusted views are registered with their tables, and a saved query with the same name is kept", () => {
  const tables: KnownTables = new Map();
  foldSchema(tables, schemaAt(0), NOW);
  foldTableCommit(tables, commitOf(0));
  foldSupersetState(tables, look(["t", "t_trusted", "other_trusted"], { t: { columns: "", physical: false } }), NOW);
  assert.deepEqual([...tables.keys()], ["t", "t_trusted"]);
  assert.equal(isRegistrationPending(tables.get("t")!, NOW), false);
  assert.equal(isRegistrationPending(tables.get("t_trusted")!, NOW), true);
});

test("pauses double with each failure up to the maximum", () => {
  const pauses: Pauses = new Map();
  const limits = { minMs: 1_000, maxMs: 60_000 };
  for (const [failures, pauseMs] of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000].entries()) {
    assert.equal(pause(pauses, "t", NOW, limits), failures + 1);
    assert.ok(isPaused(pauses, "t", NOW + pauseMs - 1));
    assert.ok(!isPaused(pauses, "t", NOW + pauseMs));
  }
  assert.ok(!isPaused(pauses, "u", NOW));
});

test("nameUuid returns a well-formed UUID, the same for the same words", () => {
  assert.equal(nameUuid("chart", "Total Revenue"), nameUuid("chart", "Total Revenue"));
  assert.notEqual(nameUuid("chart", "a"), nameUuid("dataset", "a"));
  fc.assert(
    fc.property(fc.string(), (word) => {
      assert.match(nameUuid(word), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }),
  );
});
