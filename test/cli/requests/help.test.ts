import assert from "node:assert/strict";
import { test } from "node:test";
import { tributary } from "../tributary.ts";

test("help of an unknown command names it and the nearest one, as the command itself does", async () => {
  const runs = [["help", "statsu"], ["statsu"], ["help", "nope"], ["files", "help", "shwo"]];
  const [asked, typed, far, nested] = await Promise.all(runs.map((args) => tributary(args)));
  assert.deepEqual(asked, typed);
  assert.equal(asked!.code, 2);
  assert.match(asked!.err, /unknown command 'statsu'\n\(Did you mean status\?\)/);
  assert.deepEqual([far!.code, /^error: unknown command 'nope'$/m.test(far!.err)], [2, true], far!.err);
  assert.deepEqual([nested!.code, /'shwo'\n\(Did you mean show\?\)/.test(nested!.err)], [2, true], nested!.err);
});

test("help shows the help of a command, of an alias, and of all", async () => {
  const runs = [["help", "status"], ["help", "contracts"], ["help"], ["files", "help"], ["tables", "--help"]];
  const [status, alias, all, files, tables] = await Promise.all(runs.map((args) => tributary(args)));
  for (const { code } of [status!, alias!, all!, files!]) assert.equal(code, 0);
  assert.match(status!.out, /^Usage: tributary status /);
  assert.match(alias!.out, /^Usage: tributary contract\|contracts /);
  assert.match(all!.out, /^ {2}help \[command\] +display help for command$/m);
  assert.match(files!.out, /^Usage: tributary files /);
  assert.doesNotMatch(tables!.out, /help \[command\]/);
});
