import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { withDialect } from "../../../cli/files/dialect-flags.ts";
import { withFlags } from "../../../cli/requests/flag-names.ts";

const accept = withDialect(new Command("accept").argument("<id>").option("--reason <text>"));
const replay = new Command("replay").argument("<table>").option("--as-newest").option("--dry-run");

test("fields of the API are shown as options and arguments of the command", () => {
  for (const [message, shown] of [
    ["query.skipRows: use auto or a number of lines", "--skip: use auto or a number of lines"],
    ["query.header: use auto; query.footer: too long", "--header: use auto; --footer: too long"],
    ["body.reason: at most 500 characters", "--reason: at most 500 characters"],
    ["params.fileId: not a valid file id", "<id>: not a valid file id"],
    ["accept it with `skipRows`, or `footer`; with skipRows=0", "accept it with --skip, or --footer; with --skip 0"],
    ["trailingDelimiter: no; rowNames contradicts it", "--trailing-delimiter: no; --row-names contradicts it"],
    ["reason: too long", "--reason: too long"],
  ] as const) {
    assert.equal(withFlags(message, accept), shown);
  }
  assert.equal(
    withFlags("table 't' appends: asNewest would add rows", replay),
    "table 't' appends: --as-newest would add rows",
  );
});

test("words, names of files and fields without an option stay", () => {
  for (const message of [
    "'footer.csv' holds several tables: line 6 begins 3 rows of 2 fields with a header of their own",
    "the header has quotes, and the encoding is unknown",
    "'skipRows' and /v1/files/skipRows and skipRows.csv",
    "query.cursor: not a cursor of this list",
    "body.rows.0: no such row",
    "https://example.org/?skipRows=1",
  ]) {
    assert.equal(withFlags(message, accept), message);
  }
});
