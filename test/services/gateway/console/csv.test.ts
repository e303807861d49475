import assert from "node:assert/strict";
import { test } from "node:test";

const place = new URL("../../../../services/gateway/console/static/csv.js", import.meta.url).href;
const { csvText } = (await import(place)) as { csvText: (header: string[], rows: unknown[][]) => string };

test("a download turns formulas into text and leaves numbers and all other values unchanged", () => {
  const values = ["=1+1", "+A1", "-A1", "@SUM(1)", "\t=1", "=HYPERLINK(\"x\",\"y\")", "-12.50", "+7", "-3", 5, null, "a,b", 'q"q', "l\nl", { a: 1 }]; // prettier-ignore
  const [header, ...lines] = csvText(["=cmd|' /C calc'!A0"], values.map((value) => [value])).split("\r\n"); // prettier-ignore
  assert.equal(header, "'=cmd|' /C calc'!A0");
  assert.deepEqual(lines.slice(0, -1), [
    ...["'=1+1", "'+A1", "'-A1", "'@SUM(1)", "'\t=1", `"'=HYPERLINK(""x"",""y"")"`, "-12.50", "+7", "-3", "5", ""],
    ...['"a,b"', '"q""q"', '"l\nl"', '"{""a"":1}"'],
  ]);
});
