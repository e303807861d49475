import assert from "node:assert/strict";
import { test } from "node:test";
import { HELD_REASONS } from "../../../../lib/contract/held.ts";
import { contractSchema } from "../../../../lib/contract/contract.ts";
import { heldRemedy, remedyOf } from "../../../../lib/contract/remedies/held-remedies.ts";
import type { FormatRequest } from "../../../../lib/formats/format.ts";
import { parse } from "../../parsing/parsing.ts";
import { parse as parseYaml } from "yaml";

test("each reason to hold a file has a remedy of its own, before the commands that decide", () => {
  const remedies = HELD_REASONS.map((reason) => heldRemedy([{ reason, evidence: "" }]));
  assert.equal(new Set(remedies).size, HELD_REASONS.length);
  for (const remedy of remedies) assert.match(remedy, /^[A-Z].*files preview <file_id>.*files refuse <file_id>/);
  const both = heldRemedy([
    { reason: "several_tables", evidence: "" },
    { reason: "new_columns", evidence: "" },
    { reason: "several_tables", evidence: "again" },
  ]);
  assert.match(both, /--footer <rows below it>.*`unexpectedColumns: ignore`/);
  assert.equal(both.split("--footer").length, 2, "each once");
});

/** A file in doubt, the remedy, and what it says: as the gateway reads the flags. */
const STRUCTURES: readonly [text: string, remedy: RegExp, settings: readonly object[]][] = [
  [
    "name,city\nAnn,Oslo\nBob,Rome\nCy,Bonn\nERROR: connection lost\n",
    /^Ask for a new export\. .*`--footer <number of rows below the table>`/,
    [{ footer: { rows: 1 } }],
  ],
  [
    "Export,2026-01-31\nname,city\nAnn,Oslo\nBob,Rome\nCy,Bonn\n",
    /^If line 2 is the header, .* `--skip 1 --header 1`; .*`--skip 0 --header 1`/,
    [
      { skipRows: 1, header: 1 },
      { skipRows: 0, header: 1 },
    ],
  ],
  ["name;menge\n-;Stk\nA;5\nB;6\nC;7\n", /`--header 2` .*`--header 1`/, [{ header: 2 }, { header: 1 }]],
  [
    "name,v\nAnna,3\nBob,4\nTotal,9\n",
    /`--footer <their number>`; if they are, with `--footer 0`/,
    [{ footer: { rows: 1 } }, { footer: { rows: 0 } }],
  ],
  [
    "week,sales\ntotal,30\n1,10\n2,20\n",
    /^Remove those rows .* `--header 1 --skip 0 --footer 0`/,
    [{ header: 1, skipRows: 0, footer: { rows: 0 } }],
  ],
  ["Dump,Site\nSand,North\nGravel,South\n", /`--header 1`; .*`--header none`/, [{ header: 1 }, { header: false }]],
  ["id,q\n1,5\n2,6\n#3,7\n", /`--comment <how they begin>`; .*`--comment none`/, [{ comment: "#" }, { comment: null }]],
  ["a,b\n1,2,3\n4,5,6\n7,8,9\n", /^Correct the header .*`--row-names`/, [{ rowNames: true }]],
  ['id;"na"me;q\n1;Ann;5\n2;Bob;6\n', /`--quote <character or none>`/, [{ quote: null }]],
];

test("a doubt about the structure has a remedy of its kind, which settles it", async () => {
  for (const [text, remedy, settings] of STRUCTURES) {
    const { doubts = [] } = (await parse(text)).summary;
    assert.equal(doubts.length, 1, text);
    assert.match(remedyOf(doubts[0]!), remedy, text);
    for (const requested of settings) {
      const { summary } = await parse(text, { job: { requested: requested as FormatRequest } });
      assert.deepEqual(summary.doubts ?? [], [], JSON.stringify([text, requested]));
    }
  }
});

test("what the file says does not choose the remedy", () => {
  const evidence = 'line 2 has "is a total", unlike the rows below it: it may be a row of units or types';
  assert.match(remedyOf({ reason: "structure_unsure", evidence }), /--header 2/);
});

test("the remedy of points in numbers holds as it is written", async () => {
  const text = "item\tmenge\tprice\nA\t1.200\t12,5\nB\t3.400\t-\n";
  const [doubt] = (await parse(text)).summary.doubts ?? [];
  const columns = [...remedyOf(doubt!).matchAll(/`(- \{.*?\})`/g)].map(([, yaml]) => parseYaml(yaml!) as object[]);
  const found = [];
  for (const declared of columns) {
    contractSchema.parse({ table: "t", columns: declared });
    const { summary, rows } = await parse(text, { contract: { columns: declared } });
    assert.deepEqual(summary.doubts ?? [], []);
    found.push(rows[0]!["menge"]);
  }
  assert.deepEqual(found, ["1200.00", "1.200"]);
});
