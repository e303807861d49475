/**
 * Mutation testing of docs/INVARIANTS.md: applies each mutation to a copy of the tree and runs the test that
 * should fail. `node --import tsx scripts/mutation-check.ts [I3 …]`. Exits with 1 if a mutation survives.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PLAIN_ROW_MUTATIONS } from "./plain-row-mutations.ts";

interface Mutation {
  invariant: string;
  /** Description of the faulty behaviour. */
  what: string;
  file: string;
  from: string;
  to: string;
  /** Arguments of node that run the test that should fail. */
  run: readonly string[];
}

const COPIED = [
  "lib",
  "services",
  "schemas",
  "scripts",
  "test",
  "docs",
  "infra",
  "contracts",
  "package.json",
  "tsconfig.json",
];
const RUN_MS_MAX = 300_000;

const simulate = (schedules: number): string[] => [
  "test/simulation/main.ts",
  "--bail",
  ...["--from", "1", "--schedules", String(schedules)],
];
const test = (file: string, name?: string): string[] => [
  "--test",
  ...(name === undefined ? [] : [`--test-name-pattern=${name}`]),
  file,
];

/** Mutations of the commit gate, found by its simulation. */
const gate = (mutations: readonly (readonly [what: string, file: string, from: string, to: string])[]): Mutation[] =>
  mutations.map(([what, file, from, to]) => ({
    invariant: "I27",
    what,
    file: `lib/warehouse/iceberg/gate/${file}`,
    from,
    to,
    run: ["test/simulation/gate/main.ts", "--from", "1", "--commits", "2500", "--bail"],
  }));

/** Mutations of load plans, found by reading files both ways. */
const plans = (mutations: readonly (readonly [what: string, file: string, from: string, to: string])[]): Mutation[] =>
  mutations.map(([what, file, from, to]) => ({
    invariant: "I29",
    what,
    file: `lib/${file}`,
    from,
    to,
    run: test("test/fuzz/load-plans/load-plans.test.ts", "known cases"),
  }));

/** Found by reading files with rows that are taken at once, and without. */
const plainRows: readonly Mutation[] = plans(PLAIN_ROW_MUTATIONS).map((one) => ({
  ...one,
  run: test("test/fuzz/load-plans/plain-rows.test.ts", "known cases"),
}));

export const MUTATIONS: readonly Mutation[] = [
  {
    invariant: "I1",
    what: "an append adds rows that the table already holds",
    file: "lib/warehouse/commit/merge.ts",
    from: 'on: `${allEqual(IDENTITY, "t", "s")} AND',
    to: "on: `FALSE AND",
    run: test("test/contract/warehouse.test.ts", "append: the same micro-batch again"),
  },
  {
    invariant: "I2",
    what: "an attempt with missing rows is committed",
    file: "services/committer/commit/outcome.ts",
    from: "  return missing;",
    to: "  return missing && undefined;",
    run: test("test/services/committer/lane/trouble.test.ts", "a record that is not a row message"),
  },
  {
    invariant: "I3",
    what: "the file after the watermark counts as absorbed",
    file: "services/committer/lane/watermark.ts",
    from: "sourceOffset <= watermark;",
    to: "sourceOffset <= watermark + 1;",
    run: simulate(50),
  },
  {
    invariant: "I4",
    what: "the committer acks what it has read, not what is recorded",
    file: "services/committer/lane/watermark.ts",
    from: "position = Math.min(position, firstOffset);",
    to: "position = Math.max(position, firstOffset);",
    run: simulate(50),
  },
  {
    invariant: "I4",
    what: "the parser acks a file before it is parsed",
    file: "services/parser/service.ts",
    from: "await parseArrived(",
    to: "void parseArrived(",
    run: simulate(50),
  },
  {
    invariant: "I5",
    what: "the watermark is the lowest recorded offset",
    file: "lib/warehouse/duckdb/ledger.ts",
    from: "max(source_offset)",
    to: "min(source_offset)",
    run: test("test/contract/warehouse.test.ts", "watermarks are the highest offsets"),
  },
  {
    invariant: "I6",
    what: "parse attempts of a file are mixed",
    file: "services/committer/lane/parse-attempts.ts",
    from: "const attempt = this.#attemptOf(file, runId);",
    to: 'const attempt = this.#attemptOf(file, runId && "any");',
    run: test("test/services/committer/lane/parse-attempts.test.ts", "the first attempt that ends wins"),
  },
  {
    invariant: "I7",
    what: "a file is released while an older one is still open",
    file: "services/committer/lane/parse-attempts.ts",
    from: "if (!file.ended) break;",
    to: "if (!file.ended) continue;",
    run: test("test/services/committer/lane/parse-attempts.test.ts", "files are released in order"),
  },
  {
    invariant: "I7",
    what: "an older version overwrites a recorded newer one",
    file: "lib/warehouse/commit/versions.ts",
    from: "sourceOffset > (recorded.get(sourceFile) ?? -1)",
    to: "sourceOffset > -1",
    run: test("test/contract/warehouse.test.ts", "an older version never comes back"),
  },
  {
    invariant: "I23",
    what: "a repetition brings an undone file back",
    file: "services/committer/commit/repetitions.ts",
    from: "undone > versionOffset)",
    to: "undone > Infinity)",
    run: test("test/flow/undo.test.ts", "a repetition that was on its way"),
  },
  {
    invariant: "I3",
    what: "a rename drops a table to which a file came",
    file: "services/committer/commit/rename.ts",
    from: "if (records.length <= files &&",
    to: "if (records.length >= 0 ||",
    run: test("test/flow/rename.test.ts", "just before its table goes"),
  },
  {
    invariant: "I23",
    what: "a demoted row with an equal one stays with its file",
    file: "lib/warehouse/commit/merge.ts",
    from: '`t."_source_offset" = ${DEMOTED}`,',
    to: '"FALSE",',
    run: test("test/contract/warehouse.test.ts", "demoted rows stay until"),
  },
  {
    invariant: "I8",
    what: "a replay gives rows a new identity",
    file: "lib/messages/repetition.ts",
    from: "event.versionOffset ?? offset;",
    to: "event && offset;",
    run: test("test/services/parser/service.test.ts", "replayed rows keep the offset"),
  },
  {
    invariant: "I19",
    what: "a repetition goes over newer content of its file",
    file: "services/committer/commit/repetitions.ts",
    from: "newest > base)",
    to: "newest > Infinity)",
    run: simulate(200),
  },
  {
    invariant: "I1",
    what: "replace compares a row with one of several at its place",
    file: "lib/warehouse/commit/merge.ts",
    from: 'allEqual([...place, "_held"], "n", "o")',
    to: 'allEqual(place, "n", "o")',
    run: test("test/contract/warehouse.test.ts", "replace loads every row where several"),
  },
  {
    invariant: "I1",
    what: "an upsert does not look for several rows of one key",
    file: "lib/warehouse/duckdb/commit.ts",
    from: "const keysRepeated = upsert &&",
    to: "const keysRepeated = !upsert &&",
    run: test("test/contract/warehouse.test.ts", "an upsert leaves one row of each key"),
  },
  {
    invariant: "I19",
    what: "a replay appends what was sent again meanwhile",
    file: "services/committer/commit/repetitions.ts",
    from: "if (loadedAs > versionOffset)",
    to: "if (loadedAs > Infinity)",
    run: test("test/flow/repetitions.test.ts", "append: what failed"),
  },
  {
    invariant: "I19",
    what: "an unchanged row is not confirmed before a correction",
    file: "lib/warehouse/commit/merge.ts",
    from: "...confirmations(files)];",
    to: "...confirmations([])];",
    run: test("test/contract/warehouse.test.ts", "an unchanged row is confirmed"),
  },
  {
    invariant: "I8",
    what: "a version and its replay in one micro-batch are both appended",
    file: "lib/warehouse/commit/merge.ts",
    from: "const repeated = new Set(versions).size < versions.length;",
    to: "const repeated = versions.length < 0;",
    run: test("test/contract/warehouse.test.ts", "in one micro-batch bring each row once"),
  },
  {
    invariant: "I9",
    what: "rows of a failed file count as read",
    file: "services/committer/commit/outcome.ts",
    from: "rowsRead: rowsCommitted + rowsRejected,",
    to: "rowsRead: end.rowsRead + 1,",
    run: simulate(50),
  },
  {
    invariant: "I10",
    what: "a lane buffers files without limit",
    file: "services/committer/lane/micro-batch.ts",
    from: "return waiting.length < 2 * limits.filesMax &&",
    to: "return waiting.length < 2e9 ||",
    run: test("test/simulation/bounds.test.ts"),
  },
  {
    invariant: "I11",
    what: "a failed step is not retried",
    file: "services/committer/lane/retries.ts",
    from: "if (signal.aborted || !(await retryable(thrown, attempts))) throw thrown;",
    to: "throw thrown;",
    run: simulate(100),
  },
  {
    invariant: "I11",
    what: "a table that refuses every file fails its files in turn",
    file: "services/committer/commit/cure.ts",
    from: 'return attempt > 1 && (await probe()) === undefined ? "fail" : "repeat";',
    to: 'return "fail";',
    run: test("test/flow/blocked-table.test.ts"),
  },
  {
    invariant: "I12",
    what: "of two end events the first to arrive is shown",
    file: "services/gateway/files/status.ts",
    from: "facts.ending && endingOrder(facts.ending, ending) >= 0 ?",
    to: "facts.ending ?",
    run: test("test/services/gateway/files/status.test.ts"),
  },
  {
    invariant: "I13",
    what: "a lane does not wait for the previous lane",
    file: "services/committer/lane/table-writer.ts",
    from: "this.#opened = previous.then(() => this.#open());",
    to: "this.#opened = Promise.resolve().then(() => this.#open());",
    run: test("test/simulation/bounds.test.ts", "a lane that takes over"),
  },
  {
    invariant: "I13",
    what: "a commit does not wait for the ledger write of the same files",
    file: "services/committer/lane/ledger-write.ts",
    from: "return !deleteMissing && !next.some(({ file }) => names.has(file.sourceFile));",
    to: "return deleteMissing || names.size >= 0 || next.length > 0;",
    run: test("test/services/committer/lane/ledger-write.test.ts"),
  },
  {
    invariant: "I13",
    what: "another writer's commit in between is not detected",
    file: "lib/warehouse/trino/commit/snapshot.ts",
    from: "made: snapshotIn(parent) === baseSnapshot ?",
    to: "made: snapshotIn(parent) !== undefined ?",
    run: test("test/lib/warehouse/trino/statements.test.ts", "another's came in between"),
  },
  {
    invariant: "I14",
    what: "the schema of a stale committer replaces a newer one",
    file: "lib/table-schemas/table-schemas.ts",
    from: "next.sourceOffset < known.sourceOffset ? known : next",
    to: "next.sourceOffset < 0 ? known : next",
    run: test("test/lib/table-schemas/followed-schemas.test.ts"),
  },
  {
    invariant: "I14",
    what: "after a file that failed the table's columns are not published",
    file: "services/committer/commit/published-columns.ts",
    from: "if (same && !expected) return;",
    to: "if (same) return;",
    run: test("test/services/committer/commit/published-columns.test.ts", "after a file that conflicts"),
  },
  {
    invariant: "I14",
    what: "the parser expects the columns of a file that will fail",
    file: "lib/table-schemas/expected-schema.ts",
    from: 'if (hasCode(thrown, "SCHEMA_CONFLICT")) return undefined;',
    to: 'if (hasCode(thrown, "SCHEMA_CONFLICT")) return { columns: [...wanted], added: [...wanted], widened: [] };',
    run: test("test/lib/table-schemas/expected-schema.test.ts", "a file that conflicts"),
  },
  {
    invariant: "I14",
    what: "a file without a loaded row changes the table",
    file: "services/committer/commit/commit.ts",
    from: "if (stage.rowCount === 0) fileColumns",
    to: "if (stage.rowCount < 0) fileColumns",
    run: test("test/services/committer/commit/published-columns.test.ts", "without a loaded row"),
  },
  {
    invariant: "I15",
    what: "a recreated log is accepted without adoption",
    file: "lib/event-log/recreation/log-past.ts",
    from: "if (watermark < next) continue;",
    to: "if (watermark < next || next >= 0) continue;",
    run: test("test/services/committer/lane/trouble.test.ts", "a recreated log"),
  },
  {
    invariant: "I15",
    what: "an adopted log has no base",
    file: "lib/event-log/recreation/epochs.ts",
    from: "return this.#base();",
    to: "return 0;",
    run: test("test/flow/log-recreated.test.ts"),
  },
  {
    invariant: "I16",
    what: "a run of only some checks publishes trusted data",
    file: "services/committer/commands/quality.ts",
    from: "all: names === undefined };",
    to: "all: true };",
    run: test("test/services/committer/commands/commands.test.ts", "a run of some of the checks"),
  },
  {
    invariant: "I16",
    what: "checks count although the table changed during the run",
    file: "services/committer/commands/quality.ts",
    from: "warehouse.publish(table, version, atMs)",
    to: "warehouse.version(table).then((now) => warehouse.publish(table, now, atMs))",
    run: test("test/services/committer/commands/commands.test.ts", "another writer changed"),
  },
  {
    invariant: "I16",
    what: "trusted data is the table itself",
    file: "lib/warehouse/duckdb/published.ts",
    from: "AS SELECT * FROM ${copyOf(table)}`",
    to: "AS SELECT * FROM ${qualified(table)}`",
    run: test("test/contract/warehouse.test.ts", "it stays what it was"),
  },
  {
    invariant: "I16",
    what: "expiry removes the snapshot of the trusted data",
    file: "lib/warehouse/trino/maintenance/maintain.ts",
    from: "if (needed > ageMs)",
    to: "if (needed < 0)",
    run: test("test/lib/warehouse/trino/maintenance/maintain.test.ts", "never the snapshot"),
  },
  {
    invariant: "I17",
    what: "two schedulers use different command ids for the same slot",
    file: "services/scheduler/cron.ts",
    from: "`cron:${kind}:${table}:${new Date(slotMs).toISOString()}`",
    to: "`cron:${kind}:${table}:${new Date(slotMs).toISOString()}${Math.random()}`",
    run: test("test/services/scheduler/service.test.ts", "two schedulers request the same commands"),
  },
  {
    invariant: "I17",
    what: "slots run again after the clock moves back",
    file: "services/scheduler/table-health.ts",
    from: "  slotIds.add(commandId);",
    to: "",
    run: test("test/services/scheduler/service.test.ts", "a clock set forward and back"),
  },
  {
    invariant: "I17",
    what: "runs recorded by a clock that was ahead suppress all slots until that time",
    file: "services/scheduler/cron.ts",
    from: "if (last && last.startedAtMs <= nowMs)",
    to: "if (last && nowMs > 0)",
    run: test("test/services/scheduler/policies.test.ts", "a clock that was ahead do not suppress the days"),
  },
  {
    invariant: "I17",
    what: "every slot since the scheduler's start is due, whatever ran",
    file: "services/scheduler/cron.ts",
    from: "return last.startedAtMs < slotMs;",
    to: "return last.startedAtMs < slotMs || slotMs > 0;",
    run: test("test/services/scheduler/policies.test.ts", "at the cron time everything is due once"),
  },
  {
    invariant: "I17",
    what: "a committer forgets completed commands",
    file: "services/committer/commands/commands.ts",
    from: "    this.#done.add(commandId);",
    to: "",
    run: test("test/services/committer/commands/commands.test.ts", "a command is carried out once"),
  },
  {
    invariant: "I18",
    what: "an event on record is committed again as a new version",
    file: "services/committer/commit/repeated.ts",
    from: "record.sourceOffset !== sourceOffset;",
    to: "sourceOffset < 0;",
    run: test("test/services/committer/commit/repeated.test.ts", "comes again later"),
  },
  {
    invariant: "I18",
    what: "two gateways give one dropped version two ids",
    file: "services/gateway/drops/watch.ts",
    from: 'derivedFileId("drop", file, key, version.etag, predecessor)',
    to: 'derivedFileId("drop", file, key, version.etag, predecessor, String(Math.random()))',
    run: test("test/services/gateway/drops/drops.test.ts", "a gateway that lost the watch"),
  },
  {
    invariant: "I18",
    what: "the same content that returns has the id that it had before",
    file: "services/gateway/drops/watch.ts",
    from: ": this.#memory.predecessor(key);",
    to: ': "";',
    run: test("test/services/gateway/drops/drops.test.ts", "each new version of an object has an id of its own"),
  },
  {
    invariant: "I20",
    what: "a field that a newer version appended makes a record unreadable",
    file: "lib/messages/avro.ts",
    from: "readerOf(schema, type, () => true),",
    to: "readerOf(schema, type, ({ surplusBytes }) => surplusBytes === 0),",
    run: test("test/lib/messages/versions.test.ts", "a newer record is read"),
  },
  {
    invariant: "I20",
    what: "a record of a newer format is buried as a damaged one",
    file: "services/parser/service.ts",
    from: 'if (hasCode(thrown, "MESSAGE_TOO_NEW")) throw thrown;',
    to: "",
    run: test("test/services/parser/service.test.ts", "an event that only a newer version"),
  },
  {
    invariant: "I21",
    what: "on Trino a query calls any function",
    file: "lib/warehouse/trino/queries/calls.ts",
    from: "if (!ALLOWED_FUNCTIONS.has(name)) c.refuse(`the function '${name}'`);",
    to: "",
    run: test("test/lib/warehouse/trino/queries/statement.test.ts", "that is not on the list is refused"),
  },
  {
    invariant: "I21",
    what: "on Trino a query reads metadata tables",
    file: "lib/warehouse/trino/queries/relations.ts",
    from: '!table!.includes("$")',
    to: "true",
    run: test("test/lib/warehouse/trino/queries/statement.test.ts", "relations of other places"),
  },
  {
    invariant: "I21",
    what: "a name that is a word of the grammar reaches Trino without quotes",
    file: "lib/warehouse/trino/queries/cursor.ts",
    from: 'kind === "word" && NON_RESERVED.has(value) ? identifier(text) : undefined',
    to: "undefined",
    run: test("test/lib/warehouse/trino/queries/statement.test.ts", "a name that is also a word"),
  },
  {
    invariant: "I21",
    what: "on DuckDB a query calls any function",
    file: "lib/warehouse/duckdb-engine/queries/select-guard.ts",
    from: "!ALLOWED_FUNCTIONS.has(name.toLowerCase())",
    to: "false",
    run: test("test/lib/warehouse/duckdb/select-guard.test.ts", "every function that is not on a list"),
  },
  {
    invariant: "I22",
    what: "the outcome of a decision is not recorded",
    file: "services/committer/commit/outcome.ts",
    from: "...(file.verdict ? { decides: true } : {}),",
    to: "",
    run: simulate(600),
  },
  {
    invariant: "I30",
    what: "a writer cancels a file whose commit its predecessor has begun",
    file: "services/committer/set-aside/cancels.ts",
    from: "(await this.#wasAnnounced(fileId))",
    to: "(await this.#wasAnnounced(fileId)) === undefined",
    run: test(
      "test/services/committer/set-aside/cancels.test.ts",
      "a writer that opens decides as its predecessor did",
    ),
  },
  {
    invariant: "I30",
    what: "a cancel takes a file out of a commit that has begun",
    file: "services/committer/set-aside/cancels.ts",
    from: "      this.#begun.add(file);",
    to: "",
    run: test("test/services/committer/set-aside/cancels.test.ts", "once the commit has begun a cancel is too late"),
  },
  {
    invariant: "I28",
    what: "a version that lost too many rows is loaded",
    file: "lib/contract/guards.ts",
    from: "shrinkMax !== undefined && rows < before.rows * (1 - shrinkMax)",
    to: "shrinkMax !== undefined && rows < before.rows * -shrinkMax",
    run: test("test/flow/held-files.test.ts", "a version with fewer rows than the contract allows is held"),
  },
  {
    invariant: "I28",
    what: "the usual share of rejects is not compared",
    file: "lib/contract/guards.ts",
    from: "if (rowsRejected / all <= usually + max) return [];",
    to: "if (rowsRejected / all <= 1) return [];",
    run: test("test/lib/contract/guards.test.ts", "more rejects than usual stop a file"),
  },
  {
    invariant: "I22",
    what: "an empty version empties its file",
    file: "lib/contract/guards.ts",
    from: "if (version.rows > 0 || rows === 0) return [];",
    to: "if (rows >= 0) return [];",
    run: test("test/flow/held-files.test.ts", "a header alone"),
  },
  {
    invariant: "I24",
    what: "a request body has no minimum rate",
    file: "services/gateway/http/body-pace.ts",
    from: "error && failBody(raw, reply.raw, error)",
    to: "error",
    run: test("test/services/gateway/http/limits.test.ts", "a form that stalls behind an accepted file"),
  },
  {
    invariant: "I25",
    what: "a change whose client has left is not audited",
    file: "services/gateway/http/ended.ts",
    from: 'reply.raw.once("close", () => note(request, reply, "closed"));',
    to: "",
    run: test("test/services/gateway/access/audit.test.ts", "a change is audited once if the client leaves"),
  },
  {
    invariant: "I26",
    what: "a rebuild whose shadow is gone, because the answer to its replacement was lost, is refused",
    file: "services/committer/rebuild/rebuild.ts",
    from: "if (thrown instanceof ShadowGone && round < ROUNDS_MAX) continue;",
    to: "",
    run: test("test/flow/rebuild.test.ts", "whose answer is lost"),
  },
  {
    invariant: "I26",
    what: "a rebuild does not confirm the rows that a newer version repeats",
    file: "services/committer/rebuild/rebuild.ts",
    from: 'if (this.#layout.mode !== "upsert" || !this.#hasIncomplete) return version;',
    to: "if (this.#hasIncomplete) return version;",
    run: test("test/flow/rebuild.test.ts", "after a rebuild, a correction"),
  },
  ...gate([
    [
      "an attempt without an answer counts as not applied",
      "outcome.ts",
      "{ ...state, inDoubt: true, message",
      "{ ...state, message",
    ],
    [
      "a conflict is passed on without a look at the table",
      "outcome.ts",
      "|| (open.length === 1 && status !== 409)",
      "|| open.length === 1",
    ],
    ["an unknown outcome is told as none", "outcome.ts", "state.inDoubt || state.unseen ?", "state.unseen ?"],
    [
      "a wrong refusal is believed while an attempt runs",
      "outcome.ts",
      "UNEXPLAINED_MAX && !asked.inDoubt",
      "UNEXPLAINED_MAX",
    ],
    [
      "a proxy's 404 counts as a missing table",
      "settle.ts",
      'errorIn(answer.body) ? "missing"',
      'answer.body ? "missing"',
    ],
    [
      "a branch is changed without an expected snapshot",
      "request.ts",
      ".filter((ref) => !isNew &&",
      ".filter(() => false).filter((ref) => !isNew &&",
    ],
    [
      "a commit may build on another's",
      "request.ts",
      "announced.base.snapshotId !== parent",
      "announced.base.snapshotId === null",
    ],
    ["a snapshot id is rounded", "exact-json.ts", " && Math.abs(Number(digits)) <= Number.MAX_SAFE_INTEGER", ""],
  ]),
  {
    invariant: "I27",
    what: "one impossible change stops the whole also where it does not",
    file: "lib/warehouse/iceberg/gate/outcome.ts",
    from: "options.isAtomic || possible.length === 0",
    to: "!options.isAtomic || possible.length === 0",
    run: test("test/lib/warehouse/iceberg/gate/outcome.test.ts"),
  },
  {
    invariant: "I27",
    what: "the catalog leads DuckDB past the gate",
    file: "lib/warehouse/iceberg/gate/config-answer.ts",
    from: 'name !== "uri"',
    to: "true",
    run: test("test/lib/warehouse/iceberg/gate/open-gate.test.ts", "led past the gate"),
  },
  {
    invariant: "I1",
    what: "a divided MERGE also merges the rows that only delete",
    file: "lib/warehouse/commit/divided-merge.ts",
    from: "WHERE (${onlyDelete}) IS NOT TRUE",
    to: "",
    run: test("test/lib/warehouse/commit/divided-merge.test.ts"),
  },
  ...plainRows,
  ...plans([
    [
      "the row after a short one has the number of that one",
      "warehouse/staging/planned-rows.ts",
      "${before} < ${row} THEN",
      "${before} <= ${row} THEN",
    ],
    [
      "a text that means NULL is a value if it has blanks around it",
      "warehouse/staging/planned-rows.ts",
      "${exact}${padded} THEN NULL",
      "${exact} THEN NULL",
    ],
    ["1 is not true", "warehouse/staging/planned-rows.ts", "'on', '1')", "'on')"],
    [
      "blanks after a value are not noticed",
      "parsing/output/load-planner.ts",
      "isBlank(bytes[start]) || isBlank(bytes[end - 1])",
      "isBlank(bytes[start])",
    ],
    [
      "rows that end with empty fields count as those that a strict reader passes over",
      "parsing/output/load-planner.ts",
      " && !endsEmpty(row, fieldCount)",
      "",
    ],
    [
      "a quote within a field is standard CSV",
      "formats/csv/reading/standard-row.ts",
      "if (text[at] === quote) return false;",
      "if (quote === delimiter) return false;",
    ],
  ]),
];

function main(): void {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const copy = mkdtempSync(join(tmpdir(), "tributary-mutants-"));
  const wanted = process.argv.slice(2);
  let survivors = 0;
  try {
    for (const name of COPIED) cpSync(join(root, name), join(copy, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    for (const mutation of MUTATIONS) {
      if (wanted.length > 0 && !wanted.includes(mutation.invariant)) continue;
      const result = resultOf(copy, mutation);
      if (result !== "killed") survivors++;
      const testFile = mutation.run.filter((arg) => !arg.startsWith("--")).at(0);
      console.log(`| ${mutation.invariant} | ${mutation.what} | ${testFile} | ${result} |`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  process.exitCode = survivors > 0 ? 1 : 0;
}

/** Per command: does it pass without a mutation? */
const baseline = new Map<string, boolean>();

const passes = (copy: string, run: readonly string[]): boolean =>
  spawnSync(process.execPath, ["--import", "tsx", ...run], { cwd: copy, timeout: RUN_MS_MAX }).status === 0;

/** "killed" if the test fails with the mutation; otherwise the reason. */
function resultOf(copy: string, { file, from, to, run }: Mutation): string {
  const command = run.join(" ");
  if (!baseline.has(command)) baseline.set(command, passes(copy, run));
  if (!baseline.get(command)) return "the test fails without the mutation";
  const path = join(copy, file);
  const text = readFileSync(path, "utf8");
  if (text.split(from).length !== 2) return `the snippet does not occur exactly once in ${file}`;
  writeFileSync(
    path,
    text.replace(from, () => to),
  );
  try {
    return passes(copy, run) ? "SURVIVED" : "killed";
  } finally {
    writeFileSync(path, text);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
