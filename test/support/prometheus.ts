/** A real Prometheus with infra's configuration, except for targets and scrape interval. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { INFRA } from "../../scripts/stack/paths.ts";
import { choosePorts, HOST } from "../../scripts/stack/ports.ts";
import { httpAnswers, startProcess, stopProcesses, waitUntilReady } from "../../scripts/stack/processes.ts";

interface Scrape {
  job_name: string;
  dns_sd_configs?: unknown;
  static_configs?: { targets: string[] }[];
}

export interface Series {
  metric: Record<string, string>;
  value: [number, string];
}

export interface Rule {
  name: string;
  health: string;
  lastError?: string;
  state: string;
}

export interface Prometheus {
  /** The current series of a query. */
  ask: (query: string) => Promise<Series[]>;
  /** The current alerts. */
  rules: () => Promise<Rule[]>;
}

/** `targets` lists the addresses of a job's processes; jobs without addresses are omitted. */
export async function withPrometheus(
  targets: (job: string) => string[],
  folder: string,
  use: (prometheus: Prometheus) => Promise<void>,
): Promise<void> {
  const { port } = await choosePorts(["port"], {});
  const config = parse(await readFile(join(INFRA, "prometheus", "prometheus.yml"), "utf8")) as {
    scrape_configs: Scrape[];
  };
  const scrape_configs = config.scrape_configs
    .filter(({ job_name }) => targets(job_name).length > 0)
    .map(({ dns_sd_configs: _, ...job }) => ({ ...job, static_configs: [{ targets: targets(job.job_name) }] }));
  const path = join(folder, "prometheus.yml");
  const global = { scrape_interval: "1s", evaluation_interval: "1s" };
  const rule_files = [join(INFRA, "prometheus", "alerts.yml")];
  await writeFile(path, stringify({ global, rule_files, scrape_configs }));
  const url = `http://${HOST}:${port}`;
  const prometheus = startProcess({
    name: "prometheus",
    command: "prometheus",
    args: [
      `--config.file=${path}`,
      `--storage.tsdb.path=${join(folder, "prometheus")}`,
      `--web.listen-address=${HOST}:${port}`,
    ],
    env: process.env,
    cwd: folder,
    log: join(folder, "logs", "prometheus.log"),
  });
  const get = async <T>(path: string): Promise<T> => {
    const answer = (await (await fetch(url + path)).json()) as { status: string; error?: string; data: T };
    assert.equal(answer.status, "success", `${path}: ${answer.error ?? ""}`);
    return answer.data;
  };
  try {
    const signal = AbortSignal.timeout(60_000);
    await waitUntilReady(prometheus, () => httpAnswers(`${url}/-/ready`), { withinMs: 30_000, signal });
    await use({
      ask: async (query) =>
        (await get<{ result: Series[] }>(`/api/v1/query?query=${encodeURIComponent(query)}`)).result,
      rules: async () =>
        (await get<{ groups: { rules: Rule[] }[] }>("/api/v1/rules")).groups.flatMap(({ rules }) => rules),
    });
  } finally {
    await stopProcesses([prometheus.record], 10_000);
  }
}
