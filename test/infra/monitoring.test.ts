import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { DASHBOARDS } from "../../scripts/stack/dashboard-panels.ts";
import { dashboardFile, grafanaJson } from "../../scripts/stack/dashboards.ts";
import { INFRA, ROOT } from "../../scripts/stack/paths.ts";

const read = (path: string): string => readFileSync(join(INFRA, path), "utf8");
const alerts = parse(read("prometheus/alerts.yml")) as {
  groups: { rules: { alert: string; expr: string; labels: { severity: string } }[] }[];
};
const rules = alerts.groups.flatMap(({ rules }) => rules);

/** What is to be had: docs/metrics.md is generated from the services' registries. */
const ours = new Set(
  [...readFileSync(join(ROOT, "docs/metrics.md"), "utf8").matchAll(/^\| `(tributary_\w+)` \| (\w+)/gm)].flatMap(
    ([, name, type]) => (type === "histogram" ? ["_bucket", "_sum", "_count"].map((part) => name! + part) : [name!]),
  ),
);

function assertKnown(expr: string, where: string): void {
  for (const [name] of expr.matchAll(/\btributary_\w+/g)) assert.ok(ours.has(name), `${where}: no metric ${name}`);
}

const hasPromtool = (() => {
  try {
    execFileSync("promtool", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();
const skip =
  hasPromtool || process.env.REQUIRE_STACK === "1" ? false : "promtool is not on the PATH (Debian: prometheus)";

describe("alerts", () => {
  it("pass promtool's checks and unit tests", { skip }, () => {
    const options = { cwd: join(INFRA, "prometheus"), encoding: "utf8" } as const;
    execFileSync("promtool", ["check", "config", "prometheus.yml"], options);
    execFileSync("promtool", ["test", "rules", "alerts.test.yml"], options);
  });

  it("each has a severity and a unit test that makes it fire", () => {
    const tested = read("prometheus/alerts.test.yml");
    for (const { alert, labels } of rules) {
      assert.match(labels.severity, /^(none|warning|critical)$/, alert);
      assert.match(tested, new RegExp(`alertname: ${alert},?\\s+exp_alerts`), alert);
    }
  });

  it("ask for metrics that exist", () => {
    for (const { alert, expr } of rules) assertKnown(expr, alert);
  });
});

describe("dashboards", () => {
  it("are written by scripts/stack/dashboards.ts", () => {
    for (const [name, dashboard] of Object.entries(DASHBOARDS)) {
      assert.equal(read(`grafana/dashboards/${name}.json`), dashboardFile(dashboard), `${name}: run the script again`);
    }
    const files = readdirSync(join(INFRA, "grafana/dashboards"));
    assert.deepEqual(
      files.sort(),
      Object.keys(DASHBOARDS)
        .map((name) => `${name}.json`)
        .sort(),
    );
  });

  it("have at least ten panels, each with a title, an explanation and metrics that exist", () => {
    for (const { title, panels } of Object.values(DASHBOARDS)) {
      assert.ok(panels.length >= 10, title);
      assert.equal(new Set(panels.map((panel) => panel.title)).size, panels.length);
      for (const panel of panels) {
        assert.match(panel.about, /\.$/, panel.title);
        for (const [expr] of panel.queries) assertKnown(expr, panel.title);
      }
    }
  });

  it("have panels that do not overlap and fit", () => {
    for (const dashboard of Object.values(DASHBOARDS)) {
      const taken = new Set<string>();
      const { panels } = grafanaJson(dashboard) as {
        panels: { gridPos: { x: number; y: number; w: number; h: number } }[];
      };
      for (const { gridPos } of panels) {
        assert.ok(gridPos.x + gridPos.w <= 24);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            assert.ok(!taken.has(`${x},${y}`));
            taken.add(`${x},${y}`);
          }
        }
      }
    }
  });

  it("ask the provisioned data source, from the provisioned folder", () => {
    const { datasources } = parse(read("grafana/provisioning/datasources/prometheus.yml")) as {
      datasources: { uid: string; url: string }[];
    };
    assert.equal(datasources[0]!.uid, "prometheus");
    for (const name of Object.keys(DASHBOARDS)) {
      const uids = new Set(
        [...read(`grafana/dashboards/${name}.json`).matchAll(/"uid": "(\w+)"/g)].map(([, uid]) => uid),
      );
      assert.deepEqual([...uids], ["prometheus"], name);
    }
    const compose = read("compose.yml");
    const { providers } = parse(read("grafana/provisioning/dashboards/tributary.yml")) as {
      providers: { options: { path: string } }[];
    };
    assert.ok(compose.includes(`./grafana/dashboards:${providers[0]!.options.path}:ro`));
  });
});

it("Prometheus asks every service of compose that has metrics", () => {
  const { scrape_configs } = parse(read("prometheus/prometheus.yml")) as { scrape_configs: { job_name: string }[] };
  const jobs = scrape_configs.map(({ job_name }) => job_name);
  assert.deepEqual(jobs, [
    "gateway",
    "parser",
    "committer",
    "scheduler",
    "registrar",
    "redpanda",
    "seaweedfs",
    "trino",
    "prometheus",
  ]);
  const { services } = parse(read("compose.yml"), { merge: true }) as { services: Record<string, unknown> };
  for (const job of jobs) assert.ok(job in services, job);
});
