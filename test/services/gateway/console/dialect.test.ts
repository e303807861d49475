import assert from "node:assert/strict";
import { test } from "node:test";
import { csvOptionsSchema } from "../../../../lib/formats/csv/options.ts";
import { dialectParameters } from "../../../../services/gateway/http/parameters.ts";

const { SETTINGS, readingText } = (await import(
  new URL("../../../../services/gateway/console/static/upload/dialect.js", import.meta.url).href
)) as {
  SETTINGS: [name: string, label: string, placeholder?: string][];
  readingText: (dialect: object) => string;
};

test("the console has a field for each setting of the API", () => {
  const names = Object.keys(dialectParameters).filter((name) => name !== "format");
  assert.deepEqual(SETTINGS.map(([name]) => name).sort(), names.sort());
});

test("the API has a parameter for each option of a CSV file", () => {
  // The API's `header` takes the number of rows.
  const options = Object.keys(csvOptionsSchema.shape).filter((name) => name !== "headerRows");
  assert.deepEqual(
    options.filter((name) => !(name in dialectParameters)),
    [],
  );
});

test("a file's page shows all that it was read with, without the evidence", () => {
  const dialect = { delimiter: ";", quote: null, skipRows: 2, nullMarkers: ["-"], evidence: [{ option: "delimiter" }] };
  assert.equal(readingText(dialect), 'delimiter semicolon, quote null, skipRows 2, nullMarkers ["-"]');
});
