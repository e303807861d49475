import type { Finding } from "../../../lib/formats/format.ts";
import { doubtsIn } from "../../../lib/formats/reading.ts";
import type { FileStatus } from "../http/schemas.ts";

type Facts = Pick<FileStatus, "status" | "kind" | "operation" | "rowsRead" | "dialect">;
type Warnings = FileStatus["warnings"];

/** Warnings about a committed file as a whole. */
export const fileWarnings = (facts: Facts): Warnings => [
  ...doubtWarnings(facts),
  ...footerWarnings(facts),
  ...noRowsWarnings(facts),
];

/** A file that is read in spite of a doubt may lack rows, or have values in the wrong column. */
const doubtWarnings = ({ status, dialect }: Facts): Warnings =>
  status === "committed" || status === "rejected"
    ? doubtsIn(dialect).map(({ reason, evidence }) => aboutFile(reason, doubtText(reason, evidence, dialect)))
    : [];

function doubtText(reason: string, evidence: string, dialect: Facts["dialect"]): string {
  const above = Number(dialect?.["skipRows"] ?? 0);
  const left = reason === "several_tables" && above > 0 ? `; the first ${above} lines of the file are not loaded` : "";
  return `the file is read in spite of a doubt: ${evidence}${left}`;
}

/** Rows that detection, not the sender, took for no data: a total, or notes. */
function footerWarnings({ status, dialect }: Facts): Warnings {
  const rows = Number(dialect?.["footerRows"] ?? 0);
  if (rows === 0 || (status !== "committed" && status !== "rejected")) return [];
  const what = rows === 1 ? "the last row is left out" : `the last ${rows} rows are left out`;
  const why = footerEvidence(dialect) ?? "a total or a note below the table";
  return [aboutFile("footer", `${what} (${why}); to keep all rows, send the file with --footer 0 (API: ?footer=0)`)];
}

/** What detection saw; undefined if the reading is an old one, which is stored without it. */
function footerEvidence(dialect: Facts["dialect"]): string | undefined {
  const findings: unknown = dialect?.["evidence"];
  if (!Array.isArray(findings)) return undefined;
  const found = (findings as Partial<Finding>[]).find(({ option }) => option === "footer");
  return found?.evidence?.replace(/^\d+ rows?: /, "");
}

/** A file that is committed with no row may look like a loss: its table may not even exist. */
function noRowsWarnings({ status, kind, operation, rowsRead }: Facts): Warnings {
  if (status !== "committed" || kind !== "put" || operation !== null || rowsRead !== 0) return [];
  return [
    aboutFile(
      "no_rows",
      "the file has no rows; a table that does not exist yet is created by the first file with rows",
    ),
  ];
}

const aboutFile = (rule: string, message: string): Warnings[number] => ({ rule, rows: 0, line: 1, message });
