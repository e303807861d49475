/** One kind of doubt about a file's structure: words of its evidence, and what settles it. */
interface Kind {
  phrases: readonly string[];
  /** `line`: the first line that the evidence names. */
  remedy: (line: number) => string;
}

/** In this order: the first kind whose words the evidence has. */
const KINDS: readonly Kind[] = [
  {
    phrases: ["not written to its end"],
    remedy: () =>
      "Ask for a new export. If no row is missing, accept it with `--footer <number of rows below the table>`.",
  },
  {
    phrases: ["between the rows", "subtotal", "heading of the rows", "may be their group"],
    remedy: () =>
      "Remove those rows from the file. If they are rows of the table, accept it with `--header 1 --skip 0 --footer 0`.",
  },
  {
    phrases: ["is a total", "sum of the rows", "sums of the rows", "statistic of the rows", "note or a total"],
    remedy: () => FOOTER,
  },
  { phrases: ["end of a report", "is a note, or a row", "word for a total"], remedy: () => FOOTER },
  {
    phrases: ["like a title above it", "and the lines above notes", "and the lines above titles"],
    remedy: (line) =>
      `If line ${line} is the header, accept it with \`--skip ${line - 1} --header 1\`; if line 1 is, with \`--skip 0 --header 1\`.`,
  },
  {
    phrases: ["row of units", "row of the header", "repeats the names"],
    remedy: () =>
      "If that row belongs to the header, accept it with `--header 2` (the number of its rows); if not, with `--header 1`.",
  },
  {
    phrases: ["fields above rows of", "of the rows have", "lack a delimiter between"],
    remedy: () =>
      "Correct the header or the rows of the file. If the header is right, accept it with `--delimiter <text> --header 1`, " +
      "and with `--row-names` if only the name of the first column is missing.",
  },
  {
    phrases: ["comment", "begins with #", "nothing but lines of"],
    remedy: () =>
      "If those lines are no rows, remove them or accept it with `--comment <how they begin>`; if they are, with `--comment none`.",
  },
  {
    phrases: ["quote", "backslash"],
    remedy: () => "Accept it with the right `--quote <character or none>` and `--escape <character>`.",
  },
  {
    phrases: ["reads as", "delimiter is a guess", "of a fixed width", "mark"],
    remedy: () => "Accept it with the right `--delimiter <text>`.",
  },
  {
    phrases: [
      "may be a row",
      "it may be the header",
      "it may be a header",
      "header",
      "names no column",
      "is the only row",
    ],
    remedy: () =>
      "If the first line of the table is its header, accept it with `--header 1`; if it is a row, with `--header none`. " +
      "Lines above it are left out with `--skip <lines>`.",
  },
];

const FOOTER = "If they are no rows, accept it with `--footer <their number>`; if they are, with `--footer 0`.";
const ANY =
  "If it is read wrongly, accept it with the settings that it needs (`--delimiter`, `--header`, `--skip`, `--footer`).";

/** What settles a doubt about the structure, by the words of its evidence. */
export function structureRemedy(evidence: string): string {
  // What is quoted comes from the file.
  const own = evidence.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
  const kind = KINDS.find(({ phrases }) => phrases.some((phrase) => own.includes(phrase)));
  return kind?.remedy(Number(/\blines? (\d+)/.exec(own)?.[1] ?? 1)) ?? ANY;
}
