import assert from "node:assert/strict";
import { test } from "node:test";
import { makeRegistry } from "../../../lib/process/metrics.ts";
import { gateObserver, writerObserver } from "../../../services/committer/gate-metrics.ts";
import { capturedLog } from "../../support/captured-log.ts";

test("what happens at the gate is counted, and what needs attention is logged", async () => {
  const registry = makeRegistry("0");
  const log = capturedLog();
  const observe = gateObserver(registry, log.logger);
  observe({ event: "attempt", answer: "lost", message: "reset" });
  observe({ event: "attempt", answer: "accepted" });
  observe({ event: "commit", outcome: "committed", tables: ["a"], attempts: 2, durationMs: 40 });
  observe({ event: "commit", outcome: "unknown", tables: ["a"], attempts: 9, durationMs: 90_000, message: "reset" });
  observe({ event: "forward", status: 404, durationMs: 1 });
  observe({ event: "refuse", status: 400, message: "no transaction is open" });
  observe({ event: "writer-failed", tables: ["a"], error: new Error("no answer") });
  const text = await registry.metrics();
  for (const line of [
    'tributary_gate_attempts_total{answer="lost"} 1',
    'tributary_gate_attempts_total{answer="away"} 0',
    'tributary_gate_commits_total{outcome="committed"} 1',
    'tributary_gate_commits_total{outcome="unknown"} 1',
    'tributary_gate_commit_seconds_bucket{le="0.05"} 1',
    'tributary_gate_forwarded_total{status="4xx"} 1',
    'tributary_gate_faults_total{fault="refuse"} 1',
    'tributary_gate_faults_total{fault="writer-failed"} 1',
  ])
    assert.ok(text.includes(line), line);
  const levels = new Map(log.lines.map(({ msg, outcome, level }) => [JSON.stringify([msg, outcome]), level]));
  assert.equal(levels.get('["commit settled","committed"]'), 20);
  assert.equal(levels.get('["commit settled","unknown"]'), 40);
  assert.equal(levels.get('["attempt to commit failed",null]'), 30);
  assert.equal(levels.get('["request refused by the commit gate",null]'), 40);
  assert.equal(levels.get('["writer failed after its commit",null]'), 50);
});

test("what Trino writes for DuckDB's writer is counted, and logged once for each table and guard", async () => {
  const registry = makeRegistry("0");
  const log = capturedLog();
  const { onFallback } = writerObserver(registry, log.logger);
  for (const table of ["a", "a", "b"]) onFallback({ table, guard: "sort_order", message: "has a sort order" });
  const text = await registry.metrics();
  assert.ok(text.includes('tributary_committer_fallbacks_total{guard="sort_order"} 3'), text);
  assert.ok(text.includes('tributary_committer_fallbacks_total{guard="memory"} 0'), text);
  const warned = log.lines.filter(({ level }) => level === 40);
  assert.deepEqual(
    warned.map(({ table, guard, detail }) => [table, guard, detail]),
    ["a", "b"].map((table) => [table, "sort_order", "has a sort order"]),
  );
});
