/**
 * The Pollock benchmark (HPI, VLDB 2023): 2,290 variants of one CSV file, each polluted in one way, and
 * what the product's parser makes of them without any parameter.
 */
import { parse } from "csv-parse/sync";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defaultContract } from "../lib/contract/contract.ts";
import { previewFile } from "../lib/parsing/preview.ts";

/** One measure of a file: shares of what was expected and of what was loaded, and their harmonic mean. */
type Measure = readonly [precision: number, recall: number, f1: number];

interface FileScore {
  /** 0: the file was refused. */
  success: number;
  header: Measure;
  records: Measure;
  cells: Measure;
}

/**
 * What becomes of a file by default: all rows are loaded as expected; some are rejected with a reason; the
 * file is held or refused with a reason; or rows are loaded with wrong cells, or lost, without a word.
 */
export type Outcome = "right" | "rejected" | "held" | "refused" | "wrong";

export interface FileResult {
  name: string;
  /** 0 to 10. */
  score: number;
  outcome: Outcome;
  /** Why the file is held or refused, or what is wrong. */
  why?: string;
}

interface KindResult {
  files: number;
  /** Mean score of its files, 0 to 10. */
  score: number;
  /** What the kind takes from the two scores. */
  simple: number;
  weighted: number;
  outcomes: Partial<Record<Outcome, number>>;
}

export interface PollockScore {
  files: number;
  /** Mean of all files, 0 to 10. */
  simple: number;
  /** The same, weighted by how common each pollution is in public data. */
  weighted: number;
  outcomes: Partial<Record<Outcome, number>>;
  /** Names of files with wrong cells, at most WRONG_MAX. */
  wrong: string[];
  /** Kinds of pollution that cost something, the most costly first. */
  kinds: Record<string, KindResult>;
}

const WRONG_MAX = 50;

/**
 * `folder`: a checkout of the repository HPI-Information-Systems/Pollock. Only `polluted_files` is read.
 * `kind`: the beginning of the names of the files that are read; "": all.
 */
export async function pollock(folder: string, kind: string): Promise<PollockScore> {
  const weightOf = JSON.parse(readFileSync(join(folder, "pollock_weights.json"), "utf8")) as Record<string, number>;
  const results: FileResult[] = [];
  for await (const result of pollockFiles(folder, kind)) results.push(result);
  const weights = results.reduce((sum, { name }) => sum + (weightOf[name] ?? 0), 0);
  const kinds = new Map<string, KindResult>();
  const outcomes: PollockScore["outcomes"] = {};
  let [simple, weighted] = [0, 0];
  for (const { name, score, outcome } of results) {
    const share = (weightOf[name] ?? 0) / weights;
    simple += score / results.length;
    weighted += score * share;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    const own = kinds.get(kindOf(name)) ?? { files: 0, score: 0, simple: 0, weighted: 0, outcomes: {} };
    own.score = (own.score * own.files + score) / (own.files + 1);
    own.files++;
    own.simple += (10 - score) / results.length;
    own.weighted += (10 - score) * share;
    own.outcomes[outcome] = (own.outcomes[outcome] ?? 0) + 1;
    kinds.set(kindOf(name), own);
  }
  const costly = [...kinds].filter(([, { score, outcomes }]) => score < 10 || outcomes.wrong);
  const wrong = results.flatMap(({ name, outcome }) => (outcome === "wrong" ? [name] : [])).slice(0, WRONG_MAX);
  const sorted = costly.sort(([, a], [, b]) => b.weighted - a.weighted);
  return { files: results.length, simple, weighted, outcomes, wrong, kinds: Object.fromEntries(sorted) };
}

/** Each file's score and outcome. */
export async function* pollockFiles(folder: string, kind: string): AsyncGenerator<FileResult> {
  const polluted = join(folder, "polluted_files");
  const names = readdirSync(join(polluted, "csv")).filter(
    (name) => name.startsWith(kind) && existsSync(join(polluted, "clean", name)),
  );
  for (const name of names) {
    const expected: string[][] = parse(readFileSync(join(polluted, "clean", name)), PYTHONS_CSV);
    const loaded = await load(readFileSync(join(polluted, "csv", name)), name);
    yield { name, score: sumOf(scoreOf(expected, loaded.table)), ...outcomeOf(expected, loaded) };
  }
}

/** How the benchmark reads its own files. */
const PYTHONS_CSV = { bom: true, relax_column_count: true, skip_empty_lines: true } as const;

const kindOf = (name: string): string => name.replace(/\.csv$/, "").replace(/_?\d*_col\d+$|_\d+_0x20$|_row\d+$/, "");

interface Loaded {
  /**
   * Header and rows as a loader of the benchmark writes them: the header only if the file has one. Undefined:
   * the file is refused. Rejected rows are not loaded. Columns without a value are the last ones.
   */
  table?: string[][];
  hasHeader: boolean;
  rejects: number;
  /** Why the file is refused. */
  error?: string;
  /** Why it is held by default. */
  doubts: readonly string[];
}

async function load(bytes: Buffer, fileName: string): Promise<Loaded> {
  const contract = defaultContract("pollock");
  const preview = await previewFile(source(bytes), { fileName, contract, rowsMax: 10_000, rejectsMax: 0 });
  const doubts = preview.doubts?.map(({ evidence }) => evidence) ?? [];
  const hasHeader = preview.dialect?.["header"] !== false;
  if (preview.error) return { hasHeader, rejects: 0, error: preview.error.message, doubts };
  const names = [...preview.columns, ...preview.untyped].map(({ header }) => header);
  const rows = preview.rows.map((row) => names.map((_, at) => String(row[at] ?? "")));
  return { table: hasHeader ? [names, ...rows] : rows, hasHeader, rejects: preview.rowsRejected, doubts };
}

/** What becomes of the file if its sender and its table's owner say nothing. */
function outcomeOf(expected: readonly string[][], loaded: Loaded): Pick<FileResult, "outcome" | "why"> {
  const { table, rejects, error, doubts } = loaded;
  if (!table) return { outcome: "refused", why: error ?? "" };
  if (doubts.length > 0) return { outcome: "held", why: doubts.join("; ") };
  const fault = faultOf(expected, table, loaded);
  if (fault !== undefined) return { outcome: "wrong", why: fault };
  return { outcome: rejects > 0 ? "rejected" : "right" };
}

/** Says what is loaded that is not expected, or what is missing without a reject. */
function faultOf(
  expected: readonly string[][],
  table: readonly string[][],
  { rejects, hasHeader }: Loaded,
): string | undefined {
  if (expected.length === 0) return table.length > 1 ? "rows of a file without any" : undefined;
  const namesIn = ([first = []]: readonly string[][]): string[] =>
    first.map((name, at) => (hasHeader ? normal(name) : String(at)));
  const [names, wanted] = [namesIn(table), namesIn(expected)];
  if (names.toSorted().join("\n") !== wanted.toSorted().join("\n")) return `header ${JSON.stringify(names)}`;
  const record = (row: readonly string[], of: readonly string[]): string =>
    JSON.stringify(row.flatMap((cell, at) => (cell === "" ? [] : [[of[at], normal(cell)]])).sort());
  const left = new Map<string, number>();
  const headers = hasHeader ? 1 : 0;
  for (const row of expected.slice(headers)) left.set(record(row, wanted), (left.get(record(row, wanted)) ?? 0) + 1);
  for (const row of table.slice(headers)) {
    const count = left.get(record(row, names)) ?? 0;
    if (count === 0) return `row ${JSON.stringify(row)}`;
    left.set(record(row, names), count - 1);
  }
  const missing = expected.length - table.length - rejects;
  return missing > 0 ? `${missing} rows are missing` : undefined;
}

async function* source(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** The measures of the benchmark's `metrics.py`. */
function scoreOf(expected: readonly string[][], loaded: readonly string[][] | undefined): FileScore {
  if (!loaded) return { success: 0, header: NONE, records: NONE, cells: NONE };
  if (expected.length === 0) return { success: 1, header: ALL, records: ALL, cells: ALL };
  const record = (row: readonly string[]): string => row.map(normal).join("");
  return {
    success: 1,
    header: measure(expected[0]!.map(normal), (loaded[0] ?? []).map(normal)),
    records: measure(expected.slice(1).map(record), loaded.slice(1).map(record)),
    cells: measure(expected.flat(), loaded.flat()),
  };
}

const ALL: Measure = [1, 1, 1];
const NONE: Measure = [0, 0, 0];

const sumOf = ({ success, header, records, cells }: FileScore): number =>
  [success, ...header, ...records, ...cells].reduce((sum, one) => sum + one, 0);

/** Common elements of two multisets. */
function measure(expected: readonly string[], loaded: readonly string[]): Measure {
  if (expected.length === 0) return ALL;
  const left = new Map<string, number>();
  for (const one of expected) left.set(one, (left.get(one) ?? 0) + 1);
  let common = 0;
  for (const one of loaded) {
    const count = left.get(one) ?? 0;
    if (count === 0) continue;
    common++;
    left.set(one, count - 1);
  }
  if (common === 0) return NONE;
  const [precision, recall] = [common / expected.length, common / loaded.length];
  return [precision, recall, (2 * precision * recall) / (precision + recall)];
}

/**
 * The benchmark compares headers and records by value: text without case, numbers by their size. (It also
 * knows dates and prices, which this parser leaves as they are written.)
 */
function normal(cell: string): string {
  const number = cell.trim() === "" ? NaN : Number(cell);
  return Number.isFinite(number) ? String(number) : cell.toLowerCase();
}
