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

interface KindLoss {
  files: number;
  /** Mean score of its files, 0 to 10. */
  score: number;
  /** What the kind takes from the two scores. */
  simple: number;
  weighted: number;
}

export interface PollockScore {
  files: number;
  /** Mean of all files, 0 to 10. */
  simple: number;
  /** The same, weighted by how common each pollution is in public data. */
  weighted: number;
  /** Kinds of pollution that cost something, the most costly first. */
  losses: Record<string, KindLoss>;
}

/**
 * `folder`: a checkout of the repository HPI-Information-Systems/Pollock. Only `polluted_files` is read.
 */
export async function pollock(folder: string): Promise<PollockScore> {
  const polluted = join(folder, "polluted_files");
  const names = readdirSync(join(polluted, "csv")).filter((name) => existsSync(join(polluted, "clean", name)));
  const weightOf = JSON.parse(readFileSync(join(folder, "pollock_weights.json"), "utf8")) as Record<string, number>;
  const weights = names.reduce((sum, name) => sum + (weightOf[name] ?? 0), 0);
  const kinds = new Map<string, KindLoss>();
  let [simple, weighted] = [0, 0];
  for (const name of names) {
    const expected: string[][] = parse(readFileSync(join(polluted, "clean", name)), PYTHONS_CSV);
    const score = sumOf(scoreOf(expected, await load(readFileSync(join(polluted, "csv", name)), name)));
    const share = (weightOf[name] ?? 0) / weights;
    simple += score / names.length;
    weighted += score * share;
    const kind = kinds.get(kindOf(name)) ?? { files: 0, score: 0, simple: 0, weighted: 0 };
    kind.score = (kind.score * kind.files + score) / (kind.files + 1);
    kind.files++;
    kind.simple += (10 - score) / names.length;
    kind.weighted += (10 - score) * share;
    kinds.set(kindOf(name), kind);
  }
  const losses = [...kinds].filter(([, { score }]) => score < 10).sort(([, a], [, b]) => b.weighted - a.weighted);
  return { files: names.length, simple, weighted, losses: Object.fromEntries(losses) };
}

/** How the benchmark reads its own files. */
const PYTHONS_CSV = { bom: true, relax_column_count: true, skip_empty_lines: true } as const;

const kindOf = (name: string): string => name.replace(/\.csv$/, "").replace(/_?\d*_col\d+$|_\d+_0x20$|_row\d+$/, "");

/**
 * Header and rows as a loader of the benchmark writes them: the header only if the file has one.
 * Undefined: the file is refused. Rejected rows are not loaded.
 */
async function load(bytes: Buffer, fileName: string): Promise<string[][] | undefined> {
  const contract = defaultContract("pollock");
  const preview = await previewFile(source(bytes), { fileName, contract, rowsMax: 10_000, rejectsMax: 0 });
  if (preview.error) return undefined;
  const rows = preview.rows.map((row) => row.map((value) => (value === null ? "" : String(value))));
  return preview.dialect?.["header"] === false ? rows : [preview.columns.map(({ header }) => header), ...rows];
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
