import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { ROOT } from "../../scripts/stack/paths.ts";
import { missing } from "./programs.ts";

interface Step {
  uses?: string;
  run?: string;
}
interface Job {
  "timeout-minutes"?: number;
  steps: Step[];
  strategy?: { matrix: { node?: number[]; include?: { target: string }[] } };
}
interface Workflow {
  permissions: Record<string, string>;
  jobs: Record<string, Job>;
}

const FOLDER = join(ROOT, ".github/workflows");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const workflows = Object.fromEntries(
  readdirSync(FOLDER).map((name) => [name, parse(read(`.github/workflows/${name}`)) as Workflow]),
);
const action = parse(read(".github/actions/stack/action.yml")) as { runs: { steps: Step[] } };
const steps = [
  ...Object.values(workflows).flatMap(({ jobs }) => Object.values(jobs).flatMap((job) => job.steps)),
  ...action.runs.steps,
];

describe("the workflows", () => {
  it("pass actionlint", { skip: missing("actionlint", "github.com/rhysd/actionlint", "REQUIRE_ACTIONLINT") }, () => {
    execFileSync("actionlint", { cwd: ROOT, stdio: "pipe" });
  });

  it("pin each action to a version, and use own actions that exist", () => {
    for (const { uses } of steps) {
      if (uses === undefined) continue;
      if (uses.startsWith("./")) assert.ok(existsSync(join(ROOT, uses, "action.yml")), uses);
      else assert.match(uses, /@v\d+$|@[0-9a-f]{40}$|^docker:\/\/[a-z/]+:\d+\.\d+\.\d+$/, uses);
    }
  });

  it("may write nothing unless a job says so, and end in time", () => {
    for (const [name, { permissions, jobs }] of Object.entries(workflows)) {
      assert.deepEqual(permissions, { contents: "read" }, name);
      for (const [job, { "timeout-minutes": minutes }] of Object.entries(jobs)) {
        assert.ok(minutes !== undefined, `${name} ${job}`);
        if (name === "ci.yml") assert.ok(minutes <= 10, `${job} of a pull request`);
      }
    }
  });

  it("run scripts of package.json, and files that exist", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    for (const { run = "" } of steps) {
      for (const [, name] of run.matchAll(/npm (?:run )?(?!ci|install|audit|pkg|publish)([a-z][\w:-]*)/g))
        if (name !== "run") assert.ok(scripts[name!], `npm run ${name}`);
      const paths = run.matchAll(/(?:scripts|test|infra)\/[\w./-]+/g);
      for (const [path] of paths) assert.ok(path === "infra/.env" || existsSync(join(ROOT, path)), path);
    }
  });

  it("test the oldest Node that package.json allows, and later ones", () => {
    const { engines } = JSON.parse(read("package.json")) as { engines: { node: string } };
    const oldest = Number(/\d+/.exec(engines.node)![0]);
    assert.deepEqual(workflows["ci.yml"]!.jobs["test"]!.strategy!.matrix.node, [oldest, oldest + 2, oldest + 4]);
  });

  it("publish the images that the Dockerfile makes", () => {
    const targets = [...read("Dockerfile").matchAll(/^FROM service AS (\S+)$/gm)].map(([, name]) => name!);
    const published = workflows["release.yml"]!.jobs["image"]!.strategy!.matrix.include!.map(({ target }) => target);
    assert.deepEqual(published.toSorted(), targets.toSorted());
  });

  it("give the published chart the published image", () => {
    const publish = workflows["release.yml"]!.jobs["chart"]!.steps.find(({ run }) => run?.includes("helm push"))!.run!;
    const [expression] = /s\|\|repository: \$image\|/.exec(publish)!;
    assert.ok(expression);
    const values = read("infra/helm/tributary/values.yaml");
    assert.equal(values.indexOf('repository: ""'), values.lastIndexOf('repository: ""'), "sed replaces the first");
  });
});
