import { countText, lineText, listText, remedyFor, sizeText, tableText } from "./output.ts";
import { shortIds } from "./files/find-file.ts";
import { progressText, waitsForText } from "./progress.ts";
import type { RunningRebuild } from "./tables/rebuild.ts";
import type { BlockAnswer, FileAnswer } from "./upload.ts";

/** Formats the gateway's responses as text. */

interface Column {
  name: string;
  type: string;
  header?: string;
}

export interface TableAnswer {
  table: string;
  exists: boolean;
  declared: boolean;
  contractFault: { path: string; faults: string[]; inForce: boolean } | null;
  lastCommitAt: string | null;
  lag: { files: number; oldestSeconds: number };
  /** Older gateways have none. */
  rebuild?: RunningRebuild | null;
  blocked?: BlockAnswer | null;
  columns: Column[] | null;
  partitioning: string[];
  rowCount: number | null;
  freshness: { lastIngestedAt: string | null; lastCommitAt: string | null; lastIngestionDate: string | null };
  gate: GateAnswer | null;
  contract: { writeMode?: string; key?: string[]; checks?: unknown[] };
}

export interface GateAnswer {
  relation?: string;
  trustedAsOf: string | null;
  heldBackSince: string | null;
  problem?: string | null;
}

/** "as of 2026-01-31T12:00:00.000Z, held back since …". */
export const gateText = ({ trustedAsOf, heldBackSince, problem }: GateAnswer): string =>
  problem ??
  (trustedAsOf === null ? "empty: no checks have passed yet" : `as of ${trustedAsOf}`) +
    (heldBackSince === null ? "" : `, held back since ${heldBackSince}`);

export interface QueryAnswer {
  columns: Column[];
  rows: unknown[][];
  truncated: boolean;
}

export interface RejectAnswer {
  sourceFile: string;
  row: number;
  line: number;
  column: string | null;
  reason: string;
  message: string;
  raw: string;
  /** Only of dismissed rows. */
  dismissal?: { why: string; by: string; at: string };
  /** null if the raw file is missing. */
  context?: { header: string | null; lines: { line: number; text: string }[] } | null;
}

interface PreviewDialect {
  delimiter: string;
  quote: string | null;
  header: boolean;
  headerRows?: number;
  skipRows?: number;
  footerRows?: number;
  /** Lines that are neither header nor rows. */
  skippedRows?: number;
  encoding: string;
  confidence: number;
  evidence?: { option: string; evidence: string; confidence: number }[];
}

export interface PreviewAnswer {
  dialect: PreviewDialect | null;
  /** Why the dialect may be wrong. Older gateways have none, or no remedy. */
  doubts?: { reason: string; evidence: string; remedy?: string }[];
  columns: (Column & { samples: unknown[] })[];
  diff: {
    added: { name: string; type: string }[];
    widened: { name: string; from: string; to: string }[];
    missing: string[];
    conflicting: { name: string; type: string; rejects: number; example: string }[];
  };
  renamed: { name: string; header: string; former: string }[];
  /** Older gateways have none of these. */
  unchecked?: string[];
  untyped?: { name: string; header: string }[];
  proposals?: { text: string }[];
  notes?: string[];
  patch?: { yaml: string; rowsAccepted: number; rowsRejected: number; needsRebuild: boolean } | null;
  rows: unknown[][];
  rejects: Omit<RejectAnswer, "sourceFile">[];
  rowsRead: number;
  rowsRejected: number;
  complete: boolean;
  error: { code: string; message: string; remedy: string } | null;
}

const RAW_SHOWN = 60;

/** Files with the beginnings of their ids, which commands take. */
export function filesText(files: readonly FileAnswer[], withOffsets = false): string {
  const ids = shortIds(files.map(({ fileId }) => fileId));
  return files.length === 0
    ? "no files"
    : tableText(
        [
          "file",
          "table",
          "status",
          "rows",
          "rejected",
          "duration ms",
          "received",
          ...(withOffsets ? ["offset"] : []),
          "id",
        ],
        files.map((file, at) => [
          nameOf(file),
          file.table,
          statusText(file),
          file.rowsCommitted ?? file.rowsRead,
          file.rowsRejected,
          file.durations.totalMs,
          file.receivedAt,
          ...(withOffsets ? [file.sourceOffset] : []),
          ids[at],
        ]),
      );
}

/** What is asked of a table has a place among its files, and no name of its own. */
const nameOf = ({ sourceFile, operation }: FileAnswer): string =>
  ["drop", "rebuild", "rename"].includes(operation ?? "") ? `(${operation} of the table)` : sourceFile;

/** "failed (FILE_EMPTY)", "blocked (WAREHOUSE_REFUSED)". */
function statusText({ status, error, blocked }: FileAnswer): string {
  const code = error?.code ?? blocked?.error.code;
  return code === undefined ? status : `${status} (${code})`;
}

/** The lines that tell why a table takes no rows. */
const blockLines = (blocked: BlockAnswer | null | undefined): [string, string | null | undefined][] => [
  ["blocked by", blocked && `${blocked.error.code}: ${blocked.error.message}`],
  ["remedy", blocked?.error.remedy],
  ["attempts", blocked && `${blocked.attempts} of ${blocked.step} since ${blocked.since}`],
  ["next try", blocked?.nextTryAt],
  ["failing files", blocked?.files.join(", ")],
];

export function fileText(file: FileAnswer & Record<string, unknown>): string {
  const { error, durations } = file;
  const steps = Object.entries(durations).filter(([, ms]) => ms !== null);
  return listText([
    ["file", nameOf(file)],
    ["table", file.table],
    ["status", file.status],
    ["progress", file.progress && progressText({ progress: file.progress })],
    ["waiting", file.waitsFor && waitsForText(file.waitsFor)],
    ["error", error && `${error.code}: ${error.message}`],
    ["remedy", error ? remedyFor(error, file) : undefined],
    ["held", file.heldReasons?.map(({ reason, evidence }) => `${reason}: ${evidence}`).join("; ")],
    ...blockLines(file.blocked),
    ["rows read", file.rowsRead],
    ["rows committed", file.rowsCommitted],
    ["rows rejected", file.rowsRejected],
    ...(file.warnings ?? []).map(
      ({ rule, rows, line, message }) =>
        [`warning ${rule}`, rows === 0 ? message : `${countText(rows, "row")}, first on line ${line}: ${message}`] as [
          string,
          unknown,
        ],
    ),
    ["size", sizeText(file.sizeBytes)],
    ["origin", file["origin"]],
    ["replay of", file["replayOf"]],
    ["encoding", file["encoding"]],
    ["read with", readingText(file["dialect"] as Record<string, unknown> | null)],
    ["columns", (file["columns"] as Column[] | null)?.map(({ name, type }) => `${name} ${type}`).join(", ")],
    ["received", file.receivedAt],
    ["committed", file["committedAt"]],
    ["durations", steps.map(([name, ms]) => `${name.replace(/Ms$/, "")} ${ms} ms`).join(", ")],
    ["offset", file["sourceOffset"]],
    ["content hash", file["contentHash"]],
    ["id", file.fileId],
  ]);
}

/** Everything that a file was read with, without evidence and doubts; undefined: not known. */
const readingText = (dialect: Readonly<Record<string, unknown>> | null | undefined): string | undefined =>
  dialect == null
    ? undefined
    : Object.entries(dialect)
        .filter(([name]) => name !== "evidence" && name !== "doubts")
        .map(
          ([name, value]) =>
            `${name} ${typeof value === "string" ? (DELIMITER_NAMES.get(value) ?? value) : JSON.stringify(value)}`,
        )
        .join(", ");

export const tablesText = (tables: readonly Omit<TableAnswer, "columns">[]): string =>
  tables.length === 0
    ? "no tables"
    : tableText(
        ["table", "in warehouse", "contract", "last commit", "files waiting", "seconds behind", "blocked by"],
        tables.map(({ table, exists, declared, contractFault, lastCommitAt, lag, blocked }) => [
          table,
          exists ? "yes" : "not yet",
          contractFault ? "faulty" : declared ? "yes" : "default",
          lastCommitAt,
          lag.files,
          Math.round(lag.oldestSeconds * 10) / 10,
          blocked?.error.code,
        ]),
      );

export function tableDetailText(table: TableAnswer): string {
  const { freshness, contract, lag } = table;
  const about = listText([
    ["table", table.table],
    ["rows", table.rowCount],
    ["write mode", contract.key?.length ? `${contract.writeMode} on ${contract.key.join(", ")}` : contract.writeMode],
    ["partitioning", table.partitioning.join(", ")],
    ["checks", contract.checks?.length],
    ["trusted data", table.gate && `${table.gate.relation}: ${gateText(table.gate)}`],
    ["last commit", freshness.lastCommitAt],
    ["newest file", freshness.lastIngestedAt],
    ["highest ingestion_date", freshness.lastIngestionDate],
    ["in progress", table.rebuild && progressText(table.rebuild)],
    [
      "waiting",
      lag.files > 0 ? `${countText(lag.files, "file")}, the oldest for ${lag.oldestSeconds.toFixed(1)} s` : null,
    ],
    ...blockLines(table.blocked),
  ]);
  const fault = table.contractFault ? `\n\n${contractFaultText(table.contractFault)}` : "";
  if (!table.columns) return `${about}${fault}\n\nno files yet`;
  const columns = table.columns.map(({ name, type, header }) => [name, type, header]);
  return `${about}${fault}\n\n${tableText(["column", "type", "header"], columns)}`;
}

const contractFaultText = ({ faults, inForce }: NonNullable<TableAnswer["contractFault"]>): string => {
  const effect = inForce ? "the contract as it was stays in force" : "the table accepts no files until it is corrected";
  return [`FAULTY CONTRACT: ${effect}`, ...faults.map((fault) => `  ${lineText(fault)}`)].join("\n");
};

/** `limit`: the user's own, if given. The gateway has limits of its own that no option raises. */
export function queryText({ columns, rows, truncated }: QueryAnswer, limit?: number): string {
  const text = tableText(
    columns.map(({ name }) => name),
    rows,
  );
  const hint =
    rows.length === limit
      ? "truncated by --limit"
      : "truncated: filter or aggregate, or read parts by ORDER BY … LIMIT";
  return `${text}\n(${countText(rows.length, "row")}${truncated ? `; ${hint}` : ""})`;
}

const DELIMITER_NAMES = new Map([
  [",", "comma"],
  [";", "semicolon"],
  ["\t", "tab"],
  ["|", "pipe"],
]);

/** The preview, and what decided how the file is read. */
export const explainedText = (preview: PreviewAnswer): string => {
  const findings = preview.dialect?.evidence ?? [];
  const rows = findings.map(({ option, evidence, confidence }) => [
    option,
    `${Math.round(confidence * 100)} %`,
    evidence,
  ]);
  const why = rows.length > 0 ? tableText(["decided", "sure", "because"], rows) : "the gateway gives no evidence";
  return `${previewText(preview)}\n\n${why}`;
};

/** Whether the file has a header, and what stands above and below the table. */
function headerText({ header, headerRows = 1, skipRows = 0, footerRows = 0 }: PreviewDialect): string {
  const own = header ? (headerRows > 1 ? countText(headerRows, "row") : "yes") : "no";
  const above = skipRows > 0 ? `, below ${countText(skipRows, "line")}` : "";
  return `${own}${above}${footerRows > 0 ? `; ${countText(footerRows, "row")} of footer` : ""}`;
}

const rowsText = ({ rowsRead, rowsRejected, complete }: Counts, skipped = 0): string =>
  `${rowsRead}${complete ? "" : " in the first part"}, ${rowsRejected} rejected${skipped > 0 ? `, ${skipped} skipped` : ""}`;

type Counts = Pick<PreviewAnswer, "rowsRead" | "rowsRejected" | "complete">;

export function previewText({
  dialect,
  doubts = [],
  unchecked = [],
  columns,
  diff,
  renamed,
  untyped = [],
  proposals = [],
  notes = [],
  patch,
  rows,
  rejects,
  error,
  ...counts
}: PreviewAnswer): string {
  const sure = dialect && dialect.confidence < 1 ? ` (${Math.round(dialect.confidence * 100)} % sure)` : "";
  const about = listText([
    ["would fail", error && `${error.code}: ${error.message}`],
    ["remedy", error?.remedy],
    ["delimiter", dialect && `${DELIMITER_NAMES.get(dialect.delimiter) ?? dialect.delimiter}${sure}`],
    ["quote", dialect && (dialect.quote ?? "none")],
    ["header", dialect && headerText(dialect)],
    ["encoding", dialect?.encoding],
    ["in doubt", doubts.map(({ reason, evidence }) => `${reason}: ${evidence}`).join("; ")],
    ["to do", [...new Set(doubts.map(({ remedy }) => remedy))].filter(Boolean).join(" ")],
    ...notes.map((note): [string, string] => ["note", lineText(note)]),
    ["not checked", unchecked.join(", ")],
    ["rows", rowsText(counts, dialect?.skippedRows)],
    ["new columns", diff.added.map(({ name, type }) => `${name} ${type}`).join(", ")],
    ["widened", diff.widened.map(({ name, from, to }) => `${name} ${from} → ${to}`).join(", ")],
    ["no value yet", untyped.map(({ name }) => name).join(", ")],
    ["missing in the file", diff.missing.join(", ")],
    ["looks renamed", renamed.map(({ name, former }) => `${name} looks like the former ${former}`).join(", ")],
    [
      "conflicting",
      diff.conflicting
        .map(({ name, rejects: n, example }) => `${name} (${n === 0 ? example : countText(n, "rejected row")})`)
        .join(", "),
    ],
  ]);
  const types = columns.map(({ name, type, header, samples }) => [name, type, header, samples.join(" · ")]);
  const names = columns.map(({ name }) => name);
  return [
    about,
    ...(columns.length > 0 ? [tableText(["column", "type", "header", "samples"], types)] : []),
    ...(rows.length > 0 ? [tableText(names, rows)] : []),
    ...(rejects.length > 0 ? [rejectsText(rejects.map((reject) => ({ sourceFile: "(this file)", ...reject })))] : []),
    ...(proposals.length > 0 ? [proposalsText(proposals, patch)] : []),
  ].join("\n\n");
}

function proposalsText(proposals: readonly { text: string }[], patch: PreviewAnswer["patch"]): string {
  return [
    "proposals for the table's contract (nothing is applied):",
    ...proposals.map(({ text }) => `- ${lineText(text)}`),
    ...(patch
      ? [
          `the certain ones, with which ${patch.rowsAccepted} rows would load and ${patch.rowsRejected} be rejected` +
            `${patch.needsRebuild ? ", once the table is rebuilt" : ""}:`,
          patch.yaml.trimEnd(),
          "→ tributary contract suggest <file> --write <contract> adds them to a contract file",
        ]
      : []),
  ].join("\n");
}

export function rejectsText(rejects: readonly RejectAnswer[]): string {
  const isDismissed = rejects.some(({ dismissal }) => dismissal);
  const head = ["file", "line", "row", "column", "reason", "message", "raw"];
  const rows = rejects.map(({ sourceFile, line, row, column, reason, message, raw, dismissal }) => {
    const shown = raw.length > RAW_SHOWN ? `${raw.slice(0, RAW_SHOWN)}…` : raw;
    const by = isDismissed ? [dismissal?.at, dismissal?.by, dismissal?.why] : [];
    return [sourceFile, line, row, column, reason, message, shown, ...by];
  });
  return tableText([...head, ...(isDismissed ? ["dismissed", "by", "why"] : [])], rows);
}
