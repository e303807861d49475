import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { UsageError } from "../../../cli/output.ts";
import { consentTo, nameAgain, type Terminal } from "../../../cli/requests/consent.ts";
import { tributary } from "../tributary.ts";

/** A terminal where a person answers each question in turn; without an answer left the input ends. */
function terminalWith(...answers: string[]): { terminal: Terminal; text: () => string } {
  const [input, output] = [new PassThrough(), new PassThrough()];
  let shown = "";
  output.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    if (!/(: |\] )$/.test(shown)) return;
    const answer = answers.shift();
    if (answer === undefined) input.end();
    else input.write(`${answer}\n`);
  });
  return { terminal: { input, output }, text: () => shown };
}

const change = { table: "sales", plan: () => Promise.resolve("rows  7"), question: "Do it?" };

test("on a terminal a change shows what it would do, and asks with the reason", async () => {
  const given: { yes?: boolean; reason?: string } = {};
  const agreed = terminalWith("y", "wrong month");
  assert.deepEqual(await consentTo(agreed, given, change), { reason: "wrong month" });
  assert.match(agreed.text(), /^rows {2}7\n\nDo it\? \[y\/N\] /);
  assert.deepEqual(await consentTo(terminalWith("yes", ""), given, change), {});
  assert.deepEqual(await consentTo(terminalWith("y"), { reason: "known" }, change), { reason: "known" });
  for (const answers of [["n"], [""], ["sure"], []]) {
    const refused = terminalWith(...answers);
    assert.equal(await consentTo(refused, given, change), undefined);
    assert.match(refused.text(), /nothing was changed/);
  }
});

test("without a terminal a change wants --yes, and with it asks nothing", async () => {
  const nobody = { terminal: undefined };
  const plan = () => Promise.reject(new Error("not asked for"));
  await assert.rejects(consentTo(nobody, {}, change), UsageError);
  assert.deepEqual(await consentTo(nobody, { yes: true }, { ...change, plan }), { yes: true });
  assert.deepEqual(await consentTo(terminalWith(), { yes: true }, { ...change, plan }), { yes: true });
});

test("a change of a whole table wants its name again", async () => {
  assert.deepEqual(await nameAgain(terminalWith("sales", "old"), {}, change), { confirm: "sales", reason: "old" });
  assert.equal(await nameAgain(terminalWith("y"), {}, change), undefined);
  assert.deepEqual(await nameAgain(terminalWith(), { confirm: "other" }, change), { confirm: "other" });
  assert.deepEqual(await nameAgain({ terminal: undefined }, {}, change), {}, "the gateway asks for it");
});

test("commands that take something away do nothing without a confirmation", async () => {
  const unreachable = { TRIBUTARY_URL: "http://127.0.0.1:9" };
  for (const args of [
    ["files", "undo", "sales", "a.csv", "--reason", "wrong"],
    ["rejects", "dismiss", "sales", "--all", "--why", "totals"],
  ]) {
    const { code, err } = await tributary(args, { env: unreachable });
    assert.equal(code, 2, err);
    assert.match(err, /not confirmed.*\n.*--yes/);
    assert.equal((await tributary([...args, "--yes"], { env: unreachable })).code, 3);
  }
});

test("the help of a subcommand lists each option once", async () => {
  const { out } = await tributary(["rejects", "dismiss", "--help"]);
  for (const option of ["--file", "--all", "--json"]) assert.equal(out.split(`${option} `).length, 2, option);
  assert.match((await tributary(["files", "undo", "--help"])).out, /tributary status --table <table>/);
});
