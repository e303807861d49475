/**
 * Runs docs/tutorial.md and the README's quick start: saves the files that the pages show, runs their commands in
 * one shell in the order of the page, and compares what they print with what the page shows.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, startTributary, typescriptOptions } from "../../scripts/tributary-process.ts";
import { until } from "../support/until.ts";
import { differenceOf, stepsOf } from "./page.ts";
import { openShell } from "./shell.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const CLONED = [
  ...["bin", "cli", "lib", "services", "schemas", "scripts", "docs/contract.schema.json"],
  ...["package.json", "tsconfig.json", "tsconfig.build.json"],
];
const folder = mkdtempSync(join(tmpdir(), "tributary-tutorial-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** True if the gateway at the port is ready. */
const isReady = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/readyz`).then(
    async (response) => (await response.text(), response.ok),
    () => false,
  );

test("the commands of the tutorial print what the page shows", { timeout: 600_000 }, async () => {
  const clone = join(folder, "clone");
  for (const path of CLONED) cpSync(join(root, path), join(clone, path), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
  const port = await freePort();
  const shell = openShell(clone, { TRIBUTARY_PORT: String(port), TRIBUTARY_URL: "", TRIBUTARY_API_KEY: "" });
  const place = join(folder, "shop");
  const faults: string[] = [];
  try {
    for (const step of stepsOf(readFileSync(join(root, "docs/tutorial.md"), "utf8"))) {
      if (step.kind === "file") {
        mkdirSync(dirname(join(place, step.path)), { recursive: true });
        writeFileSync(join(place, step.path), step.text);
        continue;
      }
      // The packages are there.
      if (step.command === "npm install") continue;
      if (step.command === "tributary serve") {
        await shell.run("tributary serve > serve.log 2>&1 &");
        await until("tributary serve is ready", () => isReady(port), 60_000);
        continue;
      }
      const command = step.command.replaceAll(":8080", `:${port}`);
      const attempt = async (): Promise<string | undefined> => {
        const { output, code } = await shell.run(command);
        if (step.shown.length === 0) return code === 0 ? undefined : `exit code ${code}:\n${output}`;
        return differenceOf(step.shown, output);
      };
      let difference = await attempt();
      if (step.retry && difference !== undefined) {
        await until(`line ${step.line}: ${command}`, async () => (difference = await attempt()) === undefined, 30_000);
      }
      if (difference !== undefined) faults.push(`docs/tutorial.md:${step.line}: ${command}\n${difference}`);
    }
  } finally {
    await shell.close();
  }
  if (faults.length > 0) assert.fail(faults.join("\n\n"));
});

test("the README's quick start loads and queries a file", { timeout: 300_000 }, async () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const commands = [...readme.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, text]) => text!);
  const [start, load] = commands;
  assert.match(start!, /^npm start /m);
  const server = await startTributary(join(folder, "data"));
  try {
    const script = load!.replaceAll("http://127.0.0.1:8080", server.url);
    const output = execFileSync("bash", ["-euo", "pipefail", "-c", script], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    assert.match(output, /"status":"committed"/);
    assert.match(output, /\["Italy",\d+,"[\d.]+"\]/);
  } finally {
    await server.stop();
  }
});

test("the demo loads a file by upload and one by drop", { timeout: 300_000 }, () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: { demo: string } };
  assert.match(scripts.demo, / scripts\/demo\.ts$/);
  const args = [...typescriptOptions, "scripts/demo.ts"];
  const output = execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  assert.match(output, /^total: 201 orders, revenue \d+\.\d\d$/m);
});
