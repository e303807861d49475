import assert from "node:assert/strict";
import { test } from "node:test";
import type { DialectRequest } from "../../../../../lib/formats/csv/options.ts";
import { detectStructure, type Structure } from "../../../../../lib/formats/csv/structure/structure.ts";

const structureOf = (text: string, requested: DialectRequest = {}): Structure =>
  detectStructure({ text, complete: true, encoding: "utf-8", requested });

const many = Array.from({ length: 299 }, (_, n) => `${n},${(n * 7) % 100}\n`).join("");

const FILES: readonly [delimiter: string, skipRows: number, text: string][] = [
  [",", 1, "# zone=CET\nkey,size\n4,5\n5,6\n6,7\n"],
  [",", 1, `# zone=CET\nkey,size\n${many}`],
  [",", 1, "Measurements\np,q\n1,2\n3,4\n"],
  [",", 1, "Probe 7\nt,v\n0,20\n1,21\n"],
  [",", 1, "As of: 2024\nkey,size\n1,5\n2,6\n"],
  [";", 2, "Export\nCreated on 01.02.2024\nnr;betrag\n1;5,00\n2;6,50\n"],
  [";", 2, "Bestand\n\nkey;size\n1;5\n2;6\n"],
  ["|", 1, "Measurements\np|q\n1|2\n3|4\n"],
  ["\t", 1, "Measurements\np\tq\n1\t2\n3\t4\n"],
  [",", 1, "Players\nfirst,last\nAda,Moe\nBo,Lund\nEva,Park\n"],
  [";", 1, "Mitgliederliste\nname;ort\nAda;Ulm\nBo;Bonn\n"],
  [";", 2, "Adressen 2024\n\nname;ort\nAda;Ulm\nBo;Bonn\n"],
  [";", 1, "Adressen\nname;strasse;ort\nAda;Weg 1;Ulm\nBo;Ring 2;Bonn\n"],
  [",", 1, "Teilnehmer 2024\nname,ort,verein\nAda,Ulm,TSV\nBo,Bonn,FC\n"],
  [",", 2, "# written by a logger\n# zone=CET\nkey,size\n1,5\n# half way\n2,6\n3,7\n"],
];

test("a table of few columns below titles and comments is found", () => {
  for (const [delimiter, skipRows, text] of FILES) {
    const { dialect, doubts } = structureOf(text);
    const found = { delimiter: dialect.delimiter, skipRows: dialect.skipRows, header: dialect.header, doubts };
    assert.deepEqual(found, { delimiter, skipRows, header: true, doubts: [] }, JSON.stringify(text.slice(0, 60)));
    if (text.includes("# half")) continue;
    const declared = structureOf(text, { skipRows });
    assert.equal(declared.dialect.delimiter, delimiter, `declared: ${JSON.stringify(text.slice(0, 60))}`);
  }
});

test("a column of numbers with decimal commas below a name, or below titles, is one column", () => {
  for (const text of ["betrag\n1,50\n2,75\n", "Betrag\n1.000,50\n2,75\n3,00\n"]) {
    const { dialect, doubts } = structureOf(text);
    assert.deepEqual([dialect.delimiter, doubts], [";", []], JSON.stringify(text));
  }
});

test("a finding that is a guess is a doubt", () => {
  for (const text of [
    "remark\nred, blue\ngreen, grey\nwhite, black\n",
    "Liste\nName, Ort\nAda, Ulm\nBo, Bonn\n",
    "Report\nname,city\nAda,Ulm\n",
  ]) {
    const { confidence, doubts } = structureOf(text);
    assert.deepEqual(
      doubts.map(({ reason }) => reason),
      ["structure_unsure"],
      JSON.stringify(text),
    );
    assert.ok(confidence <= 0.6);
  }
});
