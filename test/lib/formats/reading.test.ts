import assert from "node:assert/strict";
import { test } from "node:test";
import { doubtsIn, readingIn, readingJson, readingOf } from "../../../lib/formats/reading.ts";
import { parse } from "../parsing/parsing.ts";

test("a reading has every option, also those that hold by default", async () => {
  const { summary } = await parse("Report of May\n\nid;city\n1;Bonn\n2;Ulm\n3;Köln\nTotal;3\n");
  const reading = readingOf(summary, { nullMarkers: ["-"] });
  const { evidence, confidence, doubts, ...options } = reading ?? {};
  assert.deepEqual(doubts, doubtsIn(reading));
  assert.deepEqual(
    doubtsIn(reading).map(({ reason }) => reason),
    ["structure_unsure"],
  );
  assert.ok(Array.isArray(evidence));
  assert.equal(typeof confidence, "number");
  assert.deepEqual(options, {
    format: "csv",
    delimiter: ";",
    quote: '"',
    escape: '"',
    encoding: "utf-8",
    header: true,
    headerRows: 1,
    skipRows: 2,
    footerRows: 1,
    comment: null,
    rowNames: false,
    trailingDelimiter: false,
    leadingDelimiter: false,
    dropBlankNames: false,
    trimBlanks: false,
    skippedRows: 1,
    nullMarkers: ["-"],
  });
  const recorded = readingIn(readingJson(reading));
  assert.deepEqual(recorded, { ...options, confidence, doubts });
});

test("what is on record is bounded; of a file that failed before, or of an unreadable record, nothing is known", () => {
  const dialect = { delimiter: ",", encoding: "utf-8" as const };
  const many = readingOf({ dialect }, { nullMarkers: Array.from({ length: 1_000 }, (_, n) => `marker ${n}`) });
  const json = readingJson(many) ?? "";
  assert.ok(json.length < 1_000);
  assert.equal(readingIn(json)?.["nullMarkers"], undefined);
  assert.equal(readingOf({}, { nullMarkers: [] }), undefined);
  assert.equal(readingJson(undefined), null);
  for (const bad of [null, undefined, "", "{", "1"]) assert.equal(readingIn(bad), null);
});
