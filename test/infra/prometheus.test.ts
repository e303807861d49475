/**
 * Dashboards and alerts on a real Prometheus that scrapes services under load, with the embedded adapters.
 * test/stack tests the others.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DASHBOARDS } from "../../scripts/dashboards/panels.ts";
import { ROOT } from "../../scripts/stack/paths.ts";
import { startTributary } from "../../scripts/tributary-process.ts";
import { withPrometheus } from "../support/prometheus.ts";
import { until } from "../support/until.ts";
import { missing } from "./programs.ts";

const JOBS = ["gateway", "parser", "committer", "scheduler"];
const OTHERS = /\b(SeaweedFS|redpanda|trino)_\w+/;
const HEADER = "order_id,customer_id,amount,country,ingestion_date";
const PATIENCE_MS = 60_000;

/** Loads files completely, partly and not at all; runs a failing check, maintenance and a query. */
async function putUnderLoad(url: string): Promise<void> {
  const put = async (table: string, name: string, body: string | Buffer): Promise<void> => {
    const path = `${url}/v1/tables/${table}/files/${name}?wait=committed&timeout=60s`;
    await fetch(path, { method: "PUT", body: new Uint8Array(Buffer.from(body)) });
  };
  const post = async (path: string, body: object = {}): Promise<void> => {
    const headers = { "content-type": "application/json" };
    await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  };
  await put("sales", "sample.csv", await readFile(join(ROOT, "data", "sales_sample.csv")));
  await put(
    "sales",
    "rough.csv",
    `${HEADER}\nORD-1,CUST-1,1.00,Atlantis,2024-01-01\nORD-2,CUST-1,much,Italy,2024-01-01\n`,
  );
  await put("sales", "empty.csv", "");
  await post("/v1/tables/sales/checks/run");
  await post("/v1/tables/sales/maintenance/run");
  await post("/v1/query", { sql: "SELECT count(*) FROM sales" });
}

test(
  "every panel has data and legends with existing labels, and every alert is evaluated",
  { skip: missing("prometheus", "Debian: prometheus"), timeout: 300_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "tributary-prometheus-"));
    const tributary = await startTributary(join(folder, "data"));
    const load = new AbortController();
    try {
      const targets = (job: string): string[] => (JOBS.includes(job) ? [new URL(tributary.url).host] : []);
      await withPrometheus(targets, folder, async ({ ask, rules }) => {
        // Rates need counters that change during the test.
        const loading = (async () => {
          while (!load.signal.aborted) await putUnderLoad(tributary.url);
        })();
        for (const { panels } of Object.values(DASHBOARDS)) {
          for (const { title, queries } of panels) {
            for (const [expr, legend] of queries) {
              const answers = (): Promise<unknown> => ask(expr);
              if (OTHERS.test(expr) && !expr.includes("tributary_")) {
                await answers();
                continue;
              }
              const series = await until(
                `${title}: ${expr}`,
                async () => {
                  const found = await ask(expr);
                  return found.length > 0 && found;
                },
                PATIENCE_MS,
              );
              for (const [, label] of legend.matchAll(/\{\{(\w+)\}\}/g)) {
                assert.ok(
                  series.every(({ metric }) => metric[label!] !== undefined),
                  `${title}: ${label} of ${JSON.stringify(series[0]!.metric)}`,
                );
              }
            }
          }
        }
        load.abort();
        await loading;
        const evaluated = await until(
          "every alert is evaluated",
          async () => {
            const all = await rules();
            return all.length > 0 && all.every(({ health }) => health !== "unknown") && all;
          },
          PATIENCE_MS,
        );
        for (const { name, health, lastError } of evaluated) assert.equal(health, "ok", `${name}: ${lastError ?? ""}`);
        const firing = evaluated.filter(({ state }) => state === "firing").map(({ name }) => name);
        for (const name of ["Watchdog", "ChecksFailing", "FilesFailed"]) assert.ok(firing.includes(name), name);
      });
      assert.equal(await tributary.stop(), 0);
    } finally {
      load.abort();
      await tributary.stop("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    }
  },
);
