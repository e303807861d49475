import assert from "node:assert/strict";
import { test } from "node:test";
import { BothWays, type Way } from "./both-ways.ts";
import type { Given } from "./readings.ts";
import { loadPlans, waysTaken } from "./target.ts";

const RUNS = 500;
const SEED = Number(process.env["TRIBUTARY_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

test(`a file loads by a plan as it does row by row (TRIBUTARY_TEST_SEED=${SEED})`, async () => {
  await loadPlans.run(RUNS, SEED);
  const { planned, irregular, refused, atOnce } = waysTaken();
  assert.ok(planned > RUNS / 4, `${planned} of ${RUNS} files load by a plan`);
  assert.ok(atOnce.files > RUNS / 10, `${atOnce.rows} rows of ${atOnce.files} files are taken at once`);
  assert.ok(irregular > RUNS / 20, `${irregular} turn out irregular`);
  assert.ok(refused < RUNS / 50, `DuckDB refuses ${refused} plans`);
});

/** A regular file with these lines after its first block. */
const long = (...lines: string[]): Buffer => {
  const regular = Array.from({ length: 20 }, (_, at) => `${at},2026-01-01,text ${at}`);
  return Buffer.from(["a,b,c", ...regular, ...lines, ...regular, ""].join("\n"));
};
const declared = (type: string): object => ({ columns: [{ name: "c", type }] });

const CASES: Record<string, [Way["way"], Given]> = {
  "rejects of both kinds, one among the others": [
    "planned",
    {
      bytes: long("1,2", "x,y,z", "3,2026-01-02,c", "1,2,3,4", "4,no date,d", "1", "5,2026-01-03,e"),
      contract: strict(),
    },
  ],
  "rows that end with empty fields": [
    "planned",
    { bytes: long("1,2026-01-01,a,", "no,2026-01-01,b", "1,2", "3,2026-01-01,c"), contract: strict() },
  ],
  "blanks before values, or after them": ["planned", { bytes: long("1 ,2026-01-01\t,x ", "\t2, 2026-01-02, y") }],
  "texts that mean NULL, with blanks": [
    "planned",
    { bytes: long("1,NULL,NULL", "2, NULL , NULL ", "3,,"), contract: { nullMarkers: ["NULL"] } },
  ],
  "every word for true": [
    "planned",
    {
      bytes: Buffer.from(
        `a,c\n${["1", "0", "t", "F", "yes", "No", "ON ", "off", "Y\t"]
          .map((word) => `1,${word}\n`)
          .join("")
          .repeat(9)}`,
      ),
      contract: declared("BOOLEAN"),
    },
  ],
  "line ends within quotes": ["planned", { bytes: long('1,2026-01-01,"a\nb\r\nc\rd"', '2,2026-01-01,"""\n"""') }],
  "a quote within a field": ["irregular", { bytes: long('1,2026-01-01,x"y') }],
  "text behind a closing quote": ["irregular", { bytes: long('1,2026-01-01,"x"y') }],
  "a row that is padded": ["irregular", { bytes: long("1,2026-01-01"), contract: { raggedRows: "pad" } }],
  "line ends of two kinds": ["irregular", { bytes: long("1,2026-01-01,x\r") }],
  "rows without a value": ["irregular", { bytes: long(",,", '"","",""') }],
  "a byte-order mark far down": ["irregular", { bytes: long("\ufeff1,2026-01-01,x") }],
  "a byte-order mark alone": [
    "irregular",
    { bytes: Buffer.from(`a\n${"x\n".repeat(200)}\ufeff\n${"x\n".repeat(200)}`) },
  ],
};

/** A contract that rejects values of other types. */
function strict(): object {
  return {
    columns: [
      { name: "a", type: "INTEGER" },
      { name: "b", type: "DATE" },
    ],
  };
}

test("known cases load by a plan, or turn out irregular", async (t) => {
  const both = new BothWays();
  t.after(() => both.close());
  for (const [what, [way, given]] of Object.entries(CASES)) {
    assert.equal((await both.compare(given)).way, way, what);
  }
});
