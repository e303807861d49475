import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { durationOption } from "../../cli/session.ts";
import { tributary } from "./tributary.ts";

test("the help shows the default of a duration as it is typed, and the command gets milliseconds", () => {
  const command = new Command("run").addOption(durationOption("--timeout <duration>", "maximum wait", "10m"));
  assert.match(command.helpInformation(), /--timeout <duration> +maximum wait \(default: 10m\)$/m);
  assert.deepEqual(command.parse([], { from: "user" }).opts(), { timeout: 600_000 });
  assert.deepEqual(command.parse(["--timeout", "2"], { from: "user" }).opts(), { timeout: 2_000 });
});

test("no help shows a duration in milliseconds", async () => {
  const all = [["upload"], ["tables", "rebuild"], ["tables", "rename"], ["files", "cancel"], ["rejects", "correct"]];
  for (const { out } of await Promise.all(all.map((names) => tributary([...names, "--help"])))) {
    assert.match(out, /--timeout <duration> .*\(default:\s+(10m|24h)\)/s);
  }
});

test("a wrong URL or port is a usage error that names the option and the setting", async () => {
  const runs = [
    ["tables", "--url", "foo"],
    ["tables", "--url", "localhost:8080"],
    ["serve", "--port", "abc"],
  ];
  const [word, host, port] = await Promise.all(runs.map((args) => tributary(args)));
  assert.deepEqual([word!.code, host!.code, port!.code], [2, 2, 2]);
  assert.match(word!.err, /^USAGE: 'foo' in --url or TRIBUTARY_URL is not an http or https URL\n→ /);
  assert.match(host!.err, /^USAGE: 'localhost:8080' in --url /);
  assert.match(port!.err, /'--port <port>' argument 'abc' is invalid\. Use a whole number .* TRIBUTARY_PORT/);
});
