import assert from "node:assert/strict";
import { test } from "node:test";
import {
  pinnedBy,
  pinnedFields,
  pinnedIn,
  requestFields,
  requestIn,
  writtenFields,
} from "../../../lib/formats/message-fields.ts";

const PLAIN = { delimiter: ";", quote: '"', escape: '"', header: true, encoding: "utf-8" } as const;

test("a usual CSV file is written as earlier versions write it", () => {
  const written = { format: "csv", formatOptionsJson: null, delimiter: ";", encoding: "utf-8" };
  assert.deepEqual(writtenFields("csv", PLAIN), written);
  assert.deepEqual(writtenFields("csv", { ...PLAIN, header: false }), written);
  assert.deepEqual(pinnedBy(written), { format: "csv", options: PLAIN });
});

test("options beyond the usual ones are part of the file's end and of the table's pinned format", () => {
  const options = { ...PLAIN, delimiter: "||", comment: "#", skipRows: 3, footerRows: 1, headerRows: 2 };
  const pinned = pinnedBy(writtenFields("csv", options));
  assert.deepEqual(pinned, { format: "csv", options });
  assert.deepEqual(pinnedIn(pinnedFields(pinned)), pinned);
});

test("records of an earlier version have none of the newer options", () => {
  const dialectJson = JSON.stringify({ ...PLAIN, confidence: 1 });
  assert.deepEqual(pinnedIn({ dialectJson }), { format: "csv", options: { ...PLAIN, confidence: 1 } });
  assert.deepEqual(requestIn({ dialectJson: '{"delimiter":";","header":false}' }), { delimiter: ";", header: false });
});

test("a request of a later version with an option that is not known is refused, not half obeyed", () => {
  assert.throws(() => requestIn({ dialectJson: '{"delimiter":";","columnGroups":2}' }), /columnGroups/);
});

test("every declared option reaches the parser", () => {
  const request = { delimiter: "^", header: 2, skipRows: 1, footer: { pattern: "^Total" }, comment: "#" };
  assert.deepEqual(requestIn(requestFields(request)), request);
});
