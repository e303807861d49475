import assert from "node:assert/strict";
import { test } from "node:test";
import { differenceOf, stepsOf } from "./page.ts";

test("steps are the files and the commands of a page, in its order", () => {
  const page = [
    ...["text", "```csv a/b.csv", "x", "1", "```", "```console", "$ one", "out", "", "more", "$ two", "```"],
    ...["```sh", "$ no", "```", "```console retry", "$ three", "```"],
  ];
  const command = { kind: "command", retry: false };
  assert.deepEqual(stepsOf(page.join("\n")), [
    { kind: "file", path: "a/b.csv", text: "x\n1\n" },
    { ...command, command: "one", shown: ["out", "", "more"], line: 7 },
    { ...command, command: "two", shown: [], line: 11 },
    { ...command, command: "three", shown: [], line: 17, retry: true },
  ]);
});

test("output agrees if only gaps and what … stands for differ", () => {
  const shown = ["name   rows", "a.csv     3  …", "…", "done"];
  assert.equal(differenceOf(shown, "name  rows\na.csv 3 2026-01-01\nx\ny\ndone\n"), undefined);
  assert.equal(differenceOf(shown, "name  rows\na.csv 3 x\ndone"), undefined);
  const printed = ["name rows\na.csv 4 z\ndone", "name rows\na.csv 3 z", "name rows\na.csv 3 z\ndone\nmore", ""];
  for (const output of printed)
    assert.match(differenceOf(shown, output) ?? "", /^shown:\nname rows[^]*printed:\n/, output);
  assert.equal(differenceOf(["(1 row)"], "(1 row)"), undefined, "no pattern");
  assert.notEqual(differenceOf(["a.c"], "abc"), undefined, "no pattern");
});
