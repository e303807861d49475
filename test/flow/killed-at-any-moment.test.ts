/**
 * kill -9 at random times under load, then a restart on the same folder: every table equals the model, row by
 * row.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePort, startTributary, type TributaryProcess } from "../../scripts/tributary-process.ts";
import { seededRandom } from "../support/random.ts";
import { until } from "../support/until.ts";

const KILLS = Number(process.env["TRIBUTARY_TEST_KILLS"] ?? 4);
const SEED = Number(process.env["TRIBUTARY_TEST_SEED"] ?? Date.now() % 1_000_000);
const TABLES = ["alpha", "beta"] as const;

interface Version {
  table: string;
  file: string;
  rows: string[];
}

test(`kill -9 at any moment loses and duplicates nothing (seed ${SEED})`, { timeout: 180_000 }, async () => {
  const random = seededRandom(SEED);
  const folder = mkdtempSync(join(tmpdir(), "tributary-kill-"));
  const env = { TRIBUTARY_PORT: String(await freePort()) };
  const model = new Map<string, Version>();
  let tributary = await startTributary(folder, env);
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const stop = new AbortController();
      const loading = load(() => tributary, random, model, stop.signal);
      const delayMs = 100 + Math.floor(random() * 1500);
      // A random time is the purpose of the test, so it does not wait for a state.
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      stop.abort();
      await tributary.stop("SIGKILL");
      await loading;
      tributary = await startTributary(folder, env);
      for (const version of model.values()) await put(tributary, version);
    }
    await until("all files have ended", async () => (await waiting(tributary)) === 0, 60_000);
    for (const table of TABLES)
      assert.deepEqual(await rowsOf(tributary, table), expected(model, table), `table ${table}`);
    assert.equal(await tributary.stop("SIGTERM"), 0, "SIGTERM drains and exits 0");
  } finally {
    await tributary.stop("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});

/**
 * Uploads versions of a few files until stopped or until the process dies. Adds each version that may be
 * accepted.
 */
async function load(
  tributary: () => TributaryProcess,
  random: () => number,
  model: Map<string, Version>,
  signal: AbortSignal,
): Promise<void> {
  for (let n = 0; !signal.aborted; n++) {
    const table = TABLES[Math.floor(random() * TABLES.length)]!;
    const file = `file-${Math.floor(random() * 3)}.csv`;
    // A version without a row is held, and the rows before it stay.
    const length = 1 + Math.floor(random() * 400);
    const stamp = Math.floor(random() * 1e9);
    const rows = Array.from({ length }, (_, i) => `${i},${stamp}-${i},${(i * 1.5).toFixed(2)}`);
    const version = { table, file, rows };
    model.set(`${table}/${file}`, version);
    await put(tributary(), version).catch(() => undefined);
  }
}

async function put(tributary: TributaryProcess, { table, file, rows }: Version): Promise<void> {
  const body = `id,name,amount\n${rows.join("\n")}\n`;
  const response = await fetch(`${tributary.url}/v1/tables/${table}/files/${file}`, { method: "PUT", body });
  assert.equal(response.status, 202, await response.text());
}

async function waiting(tributary: TributaryProcess): Promise<number> {
  const { tables } = (await (await fetch(`${tributary.url}/v1/tables`)).json()) as {
    tables: { lag: { files: number } }[];
  };
  return tables.reduce((sum, { lag }) => sum + lag.files, 0);
}

async function rowsOf(tributary: TributaryProcess, table: string): Promise<string[]> {
  const sql = `SELECT _source_file, _source_row, id, name, amount FROM ${table} ORDER BY 1, 2`;
  const response = await fetch(`${tributary.url}/v1/query`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql }),
  });
  const { rows } = (await response.json()) as { rows: unknown[][] };
  return rows.map((row) => row.map(String).join("|"));
}

function expected(model: Map<string, Version>, table: string): string[] {
  return [...model.values()]
    .filter((version) => version.table === table)
    .sort((a, b) => (a.file < b.file ? -1 : 1))
    .flatMap(({ file, rows }) => rows.map((row, i) => [file, String(i + 1), ...row.split(",")].join("|")));
}
