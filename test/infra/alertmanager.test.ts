/** Tests the inhibition rules of infra's configuration with a real Alertmanager. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { INFRA } from "../../scripts/stack/paths.ts";
import { choosePorts, HOST } from "../../scripts/stack/ports.ts";
import { httpAnswers, startProcess, stopProcesses, waitUntilReady } from "../../scripts/stack/processes.ts";
import { until } from "../support/until.ts";
import { missing } from "./programs.ts";

test(
  "alerts caused by another firing alert are inhibited, others are not",
  { skip: missing("prometheus-alertmanager", "Debian: prometheus-alertmanager") },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "tributary-alertmanager-"));
    const { port } = await choosePorts(["port"], {});
    const url = `http://${HOST}:${port}`;
    const alertmanager = startProcess({
      name: "alertmanager",
      command: "prometheus-alertmanager",
      args: [
        `--config.file=${join(INFRA, "alertmanager", "alertmanager.yml")}`,
        `--storage.path=${join(folder, "data")}`,
        `--web.listen-address=${HOST}:${port}`,
        "--cluster.listen-address=",
      ],
      env: process.env,
      cwd: folder,
      log: join(folder, "alertmanager.log"),
    });
    try {
      const signal = AbortSignal.timeout(30_000);
      await waitUntilReady(alertmanager, () => httpAnswers(`${url}/-/ready`), { withinMs: 20_000, signal });
      const labels = [
        { alertname: "WarehouseDown", severity: "critical", job: "trino" },
        { alertname: "TableStuck", severity: "critical", table: "sales" },
        { alertname: "LagOld", severity: "warning", group: "tributary-committer", topic: "rows.sales" },
        { alertname: "RejectsAboveThreshold", severity: "warning" },
      ];
      const posted = await fetch(`${url}/api/v2/alerts`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(labels.map((one) => ({ labels: one }))),
      });
      assert.equal(posted.status, 200, await posted.text());
      const states = async (): Promise<Record<string, string>> => {
        const alerts = (await (await fetch(`${url}/api/v2/alerts`)).json()) as {
          labels: { alertname: string };
          status: { state: string };
        }[];
        return Object.fromEntries(alerts.map(({ labels, status }) => [labels.alertname, status.state]));
      };
      const expected = {
        WarehouseDown: "active",
        TableStuck: "suppressed",
        LagOld: "suppressed",
        RejectsAboveThreshold: "active",
      };
      await until("all alerts are received", async () =>
        Object.values(await states()).every((state) => state !== "unprocessed"),
      );
      assert.deepEqual(await states(), expected);
    } finally {
      await stopProcesses([alertmanager.record], 10_000);
      await rm(folder, { recursive: true, force: true });
    }
  },
);
