import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { DASHBOARDS, type Panel } from "../../scripts/dashboards/panels.ts";
import { dashboardFile, grafanaJson } from "../../scripts/dashboards/main.ts";
import { INFRA, ROOT } from "../../scripts/stack/paths.ts";
import { missing } from "./programs.ts";

const read = (path: string): string => readFileSync(join(INFRA, path), "utf8");
const alerts = parse(read("prometheus/alerts.yml")) as {
  groups: {
    rules: { alert: string; expr: string; labels: { severity: string }; annotations: Record<string, string> }[];
  }[];
};
const rules = alerts.groups.flatMap(({ rules }) => rules);

/** The existing metrics: docs/metrics.md is generated from the services' registries. */
const ours = new Set(
  [...readFileSync(join(ROOT, "docs/metrics.md"), "utf8").matchAll(/^\| `(tributary_\w+)` \| (\w+)/gm)].flatMap(
    ([, name, type]) => (type === "histogram" ? ["_bucket", "_sum", "_count"].map((part) => name! + part) : [name!]),
  ),
);

function assertKnown(expr: string, where: string): void {
  for (const [name] of expr.matchAll(/\btributary_\w+/g)) assert.ok(ours.has(name), `${where}: no metric ${name}`);
}

describe("alerts", () => {
  it("pass promtool's checks and unit tests", { skip: missing("promtool", "Debian: prometheus") }, () => {
    const options = { cwd: join(INFRA, "prometheus"), encoding: "utf8" } as const;
    execFileSync("promtool", ["check", "config", "prometheus.yml"], options);
    execFileSync("promtool", ["test", "rules", "alerts.test.yml"], options);
  });

  it("each has a severity and unit tests in which it fires and does not fire", () => {
    const tested = read("prometheus/alerts.test.yml");
    for (const { alert, labels } of rules) {
      assert.match(labels.severity, /^(none|warning|critical)$/, alert);
      assert.match(tested, new RegExp(`alertname: ${alert},?\\s+exp_alerts`), `${alert} fires`);
      if (alert === "Watchdog") continue;
      assert.match(tested, new RegExp(`alertname: ${alert} \\}`), `${alert} does not fire`);
    }
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  });

  it("use only existing metrics", () => {
    for (const { alert, expr } of rules) assertKnown(expr, alert);
  });

  it("each links to a heading of the operating guide", () => {
    const anchors = [...readFileSync(join(ROOT, "docs/operating.md"), "utf8").matchAll(/^#+ (.+)$/gm)].map(
      ([, heading]) => `docs/operating.md#${anchorOf(heading!)}`,
    );
    for (const { alert, annotations } of rules) {
      assert.ok(anchors.includes(annotations["runbook_url"]!), `${alert}: ${annotations["runbook_url"]}`);
    }
  });
});

/** GitHub's anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");

type Target = Record<string, unknown>;
interface Receiver {
  name: string;
  slack_configs?: Target[];
  email_configs?: Target[];
  webhook_configs?: Target[];
}

describe("Alertmanager", () => {
  const { route, inhibit_rules } = parse(read("alertmanager/alertmanager.yml")) as {
    route: { routes: { matchers: string[] }[] };
    inhibit_rules: { source_matchers: string[]; target_matchers: string[] }[];
  };

  it("accepts its configuration", { skip: missing("amtool", "Debian: prometheus-alertmanager") }, () => {
    execFileSync("amtool", ["check-config", join(INFRA, "alertmanager/alertmanager.yml")], { stdio: "ignore" });
    const route = (labels: string): string =>
      execFileSync(
        "amtool",
        ["config", "routes", "test", `--config.file=${INFRA}/alertmanager/alertmanager.yml`, labels],
        {
          encoding: "utf8",
        },
      ).trim();
    assert.equal(route("alertname=Watchdog"), "watchdog");
    assert.equal(route("alertname=TableStuck"), "operators");
  });

  it("sends to what .env names, and to nobody else", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tributary-alertmanager-"));
    const configured = (given: Record<string, string>): Receiver[] => {
      const env = {
        PATH: process.env["PATH"],
        ALERTMANAGER: "cat",
        ALERTMANAGER_CONFIG: join(folder, "a.yml"),
        ...given,
      };
      const script = join(INFRA, "alertmanager/start.sh");
      const text = execFileSync("sh", [script], { env, encoding: "utf8" });
      const { receivers, ...rest } = parse(text) as { receivers: Receiver[] };
      const { receivers: _, ...expected } = parse(read("alertmanager/alertmanager.yml")) as { receivers: Receiver[] };
      assert.deepEqual(rest, expected);
      return receivers;
    };
    try {
      assert.deepEqual(configured({}), [{ name: "watchdog" }, { name: "operators" }]);
      const [watchdog, operators] = configured({
        ALERT_WATCHDOG_URL: "https://watch/1",
        ALERT_SLACK_URL: "https://slack/2",
        ALERT_EMAIL_TO: "ops@example.com",
        ALERT_SMTP_HOST: "mail:587",
        ALERT_SMTP_USER: "u",
        ALERT_SMTP_PASSWORD: "it's $HOME",
        ALERT_WEBHOOK_URL: "https://hook/3",
      });
      assert.equal(watchdog!.webhook_configs![0]!["url"], "https://watch/1");
      assert.equal(operators!.slack_configs![0]!["api_url"], "https://slack/2");
      assert.equal(operators!.email_configs![0]!["auth_password"], "it's $HOME");
      assert.equal(operators!.webhook_configs![0]!["url"], "https://hook/3");
      assert.equal((await stat(join(folder, "a.yml"))).mode & 0o777, 0o600);
      assert.throws(() => configured({ ALERT_EMAIL_TO: "ops@example.com" }), /ALERT_SMTP_HOST/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("names only existing alerts", () => {
    const names = [...route.routes.map(({ matchers }) => matchers), ...inhibit_rules.flatMap(Object.values<string[]>)]
      .flat()
      .flatMap((matcher) => /"(.+)"/.exec(matcher)![1]!.split("|"));
    for (const name of names)
      assert.ok(
        rules.some(({ alert }) => alert === name),
        name,
      );
  });
});

describe("dashboards", () => {
  const panelsOf = (name: string): { gridPos: Record<"x" | "y" | "w" | "h", number>; id: number; type: string }[] =>
    (JSON.parse(read(`grafana/dashboards/${name}.json`)) as { panels: never }).panels;

  it("are written by scripts/dashboards/main.ts", () => {
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

  it("have at least ten panels, each with a title, an explanation and existing metrics", () => {
    for (const { title, panels } of Object.values(DASHBOARDS)) {
      assert.ok(panels.length >= 10, title);
      assert.equal(new Set(panels.map((panel) => panel.title)).size, panels.length);
      for (const panel of panels) {
        assert.match(panel.about, /\.$/, panel.title);
        for (const [expr] of panel.queries) assertKnown(expr, panel.title);
      }
    }
  });

  it("show the promised panels", () => {
    const titles = (name: string): string[] => DASHBOARDS[name]!.panels.map(({ title }: Panel) => title);
    const promised = {
      "lakehouse-platform-overview":
        "PostgreSQL connections, PostgreSQL cache hits, PostgreSQL latency, Broker memory, Services up, Commits, Rows, Files by status, Storage used, Broker throughput, Commit duration, Failure rate, End-to-end latency, Objects, Disk",
      "ingestion-lag":
        "Lag by group, Lag by topic, Lag by table, Seconds behind, Time to catch up (ETA), Catch-up ETA by table, Slowest files, Commit waterfall of the slowest files, Where the time goes",
    };
    for (const [name, list] of Object.entries(promised))
      for (const title of list.split(", ")) assert.ok(titles(name).includes(title), `${name}: ${title}`);
  });

  it("have panels that fit without overlap, with unique ids and queries", () => {
    for (const [name, dashboard] of Object.entries(DASHBOARDS)) {
      const taken = new Set<string>();
      for (const { gridPos } of panelsOf(name)) {
        assert.ok(gridPos.x + gridPos.w <= 24);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            assert.ok(!taken.has(`${x},${y}`));
            taken.add(`${x},${y}`);
          }
        }
      }
      const { panels } = grafanaJson(dashboard);
      assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
      for (const { title, targets } of panels) {
        assert.ok(targets.length > 0, title);
        assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
      }
    }
    const uids = Object.values(DASHBOARDS).map(({ uid }) => uid);
    assert.equal(new Set(uids).size, uids.length);
  });

  it("use the provisioned data source and folder", () => {
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

it("Prometheus scrapes every compose service that has metrics", () => {
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
    "postgres-exporter",
    "prometheus",
  ]);
  const { services } = parse(read("compose.yml"), { merge: true, maxAliasCount: -1 }) as {
    services: Record<string, unknown>;
  };
  for (const job of jobs) assert.ok(job in services, job);
});
