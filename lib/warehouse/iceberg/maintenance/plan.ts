/** Data files below this size are small: compaction merges them. */
export const SMALL_BYTES = 32 * 1024 * 1024;
/** Files below this size are merged whatever the sizes of the others are. */
const TINY_BYTES = 1024 * 1024;
/**
 * A small file is merged with the smaller ones if they have at least a fourth of its size. So a row is
 * written again O(log n) times while its table grows, and a partition keeps few small files.
 */
const TIER_RATIO = 4;
/** Each thread of DuckDB writes a file, so that merging so few files may not reduce their number. */
const WRITTEN_FILES = 2;

/** A data file, as far as the plan needs it. */
export interface PlanFile {
  bytes: number;
  /** Equal for files of one partition. */
  partition: string;
}

/**
 * The files that a compaction writes again, by their partition: those that position deletes refer to, and
 * the small ones that are worth it.
 */
export function groupsOf<File extends PlanFile>(
  files: readonly File[],
  hasDeletes: (file: File) => boolean = () => false,
): File[][] {
  const partitions = new Map<string, File[]>();
  for (const file of files) {
    const known = partitions.get(file.partition);
    if (known) known.push(file);
    else partitions.set(file.partition, [file]);
  }
  return [...partitions.values()].map((one) => groupOf(one, hasDeletes)).filter((group) => group.length > 0);
}

function groupOf<File extends PlanFile>(files: readonly File[], hasDeletes: (file: File) => boolean): File[] {
  const forced = files.filter(hasDeletes);
  const small = files.filter((file) => !hasDeletes(file) && file.bytes < SMALL_BYTES);
  small.sort((a, b) => a.bytes - b.bytes);
  let smaller = bytesOf(forced);
  let taken = 0;
  for (const [index, { bytes }] of small.entries()) {
    if (bytes < TINY_BYTES || bytes <= TIER_RATIO * smaller) taken = index + 1;
    smaller += bytes;
  }
  const merged = small.slice(0, taken);
  const count = forced.length + merged.length;
  const isWorth = count > WRITTEN_FILES || (count > 1 && merged.every(({ bytes }) => bytes < TINY_BYTES));
  return isWorth ? [...forced, ...merged] : forced;
}

/** Files that a compaction saves. */
export const savedFiles = (files: readonly PlanFile[]): number =>
  groupsOf(files).reduce((saved, group) => saved + group.length - 1, 0);

/** What one step writes again. */
export interface Step<File> {
  files: File[];
  /** More steps follow. */
  isLast: boolean;
}

/**
 * The files of the first step: whole groups that are at most `bytesMax` large together, or else a part of one
 * group, which is at least one file.
 */
export function firstStep<File extends PlanFile>(groups: readonly File[][], bytesMax: number): Step<File> {
  // A large group that takes too long holds up no other.
  const queue = groups.toSorted((a, b) => bytesOf(a) - bytesOf(b));
  const files: File[] = [];
  for (const group of queue) {
    const isFirst = files.length === 0;
    if (!isFirst && bytesOf(files) + bytesOf(group) > bytesMax) break;
    for (const file of group) if (files.length === 0 || bytesOf(files) + file.bytes <= bytesMax) files.push(file);
    if (isFirst && files.length < group.length) break;
  }
  return { files, isLast: files.length === queue.flat().length };
}

const bytesOf = (files: readonly PlanFile[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0);
