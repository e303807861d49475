import type { Contract } from "../../../lib/contract/contract.ts";
import { sumOf, USUAL_FILES, usualRejects, type RejectedRows } from "../../../lib/file-versions/usual-rejects.ts";
import type { Before } from "../../../lib/contract/guards.ts";
import type { RecordedContent, RecordedVersions, Warehouse } from "../../../lib/warehouse/warehouse.ts";
import type { SameContent } from "../../../lib/warehouse/reads/port.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import { needsRowsBefore, needsSameContent, needsUsualRejects } from "./guards.ts";
import type { Persist } from "../lane/retries.ts";
import type { Failure } from "./outcome.ts";

/** The version that a file adds, repeats or corrects. */
export const versionOf = ({ repeats, sourceOffset }: EndedFile): number => repeats?.versionOffset ?? sourceOffset;

/** The bytes of a file, by the event that first brought them. */
const contentOf = ({ repeats, sourceOffset }: EndedFile): number => repeats?.contentOffset ?? sourceOffset;

const contentName = (file: EndedFile): string => `${contentOf(file)} ${file.sourceFile}`;

const isCorrection = (file: EndedFile): boolean => file.repeats != null && contentOf(file) === file.sourceOffset;

/** The file and its bytes, as one text. */
const bytesOf = ({ sourceFile, end }: EndedFile): string => `${end.contentHash} ${sourceFile}`;

const isUpsert = ({ writeMode }: Pick<Contract, "writeMode">): boolean => writeMode === "upsert";

/**
 * What is on record before a micro-batch, and then of its files, one by one in order. It decides what a
 * repetition may still change (decision 30). The outcome depends only on the files with lower source offsets,
 * not on how they were divided into micro-batches.
 */
export class OnRecord {
  readonly #contract: Contract;
  /** Newest content of each source file that is in the table, with its rows. */
  readonly #contents = new Map<string, Content>();
  /** Contents that wait for a decision. */
  readonly #held = new Set<string>();
  /** By content hash: files of the table. */
  readonly #sameContents: Map<string, string>;
  /** Contents that were not applied: of corrections, and of files that were refused. */
  readonly #superseded = new Set<string>();
  /** Rows of the table's last files, newest first. */
  readonly #recent: RejectedRows[];
  /** The offset before which a source file was undone. */
  readonly #undone = new Map<string, number>();
  /** Versions that are not loaded: the newest loaded version with the same bytes, or -1. */
  readonly #unloaded = new Map<string, number>();
  /** Append: the newest version of this micro-batch that loads these bytes of a file. */
  readonly #loaded = new Map<string, number>();
  #newest: number;
  #incomplete: number;

  constructor(contract: Contract, { contents, versions, sameContents, recent }: Recorded) {
    this.#contract = contract;
    this.#recent = [...recent];
    this.#sameContents = new Map(sameContents.map(({ contentHash, sourceFile }) => [contentHash, sourceFile]));
    for (const { sourceFile, contentOffset: offset, kind, rows, loadedAs = -1 } of contents) {
      if (kind === "unloaded") this.#unloaded.set(`${offset} ${sourceFile}`, loadedAs);
      else if (kind === "superseded") this.#superseded.add(`${offset} ${sourceFile}`);
      else if (kind === "held") this.#held.add(`${offset} ${sourceFile}`);
      else if (kind === "undone") this.#undone.set(sourceFile, Math.max(offset, this.#undone.get(sourceFile) ?? -1));
      else if (kind === "put" || contract.onDelete === "remove") this.#raise(sourceFile, { offset, rows });
    }
    this.#newest = versions.newest ?? -1;
    this.#incomplete = versions.incomplete ?? -1;
  }

  /** The newest version with rejected rows, or that failed. */
  get incomplete(): number | undefined {
    return this.#incomplete < 0 ? undefined : this.#incomplete;
  }

  /**
   * Why the file must not be applied; undefined: it may. In tables where a version removes rows (replace,
   * deleteMissing), only the newest content of a file may be repeated. A correction must be based on the
   * newest content in every mode: of two at a time, the second would undo the first. With deleteMissing, a
   * plain repetition would bring back keys that later files took over and dropped. In append tables, a
   * version that was not loaded, and was then sent again, is in the table as the newer version.
   */
  superseded(file: EndedFile): Failure | undefined {
    const { sourceFile, repeats, verdict } = file;
    if (!repeats) return undefined;
    const { writeMode, deleteMissing } = this.#contract;
    const { versionOffset, newRows } = repeats;
    const base = repeats.baseOffset ?? (isCorrection(file) ? Infinity : versionOffset);
    const newest = this.#contents.get(sourceFile)?.offset ?? -1;
    const undone = this.#undone.get(sourceFile) ?? -1;
    if (undone > versionOffset) return failure(file, `its versions before offset ${undone} were undone`);
    const removesRows = writeMode === "replace" || deleteMissing;
    if (this.#superseded.has(`${base} ${sourceFile}`)) {
      return failure(file, `the content of offset ${base} was not applied`);
    }
    const isHeld = this.#held.has(`${base} ${sourceFile}`);
    if (verdict && !isHeld) return failure(file, `version ${base} is not held any more`);
    if (!verdict && isHeld) return failure(file, `version ${base} is held; accept or refuse it`);
    if ((removesRows || isCorrection(file)) && newest > base) {
      return failure(file, `the table has newer content of the file, of offset ${newest}`);
    }
    if (deleteMissing && !newRows && this.#newest > versionOffset) {
      return failure(file, `the table has files of later versions, up to ${this.#newest}`);
    }
    const unloaded = this.#unloaded.get(`${versionOffset} ${sourceFile}`);
    if (writeMode === "append" && unloaded !== undefined && !isCorrection(file)) {
      const loadedAs = Math.max(unloaded, this.#loaded.get(bytesOf(file)) ?? -1);
      if (loadedAs > versionOffset) return failure(file, `the table has the same content as version ${loadedAs}`);
    }
    return undefined;
  }

  /** What the contract's guards compare a new version with. */
  before({ sourceFile, end }: EndedFile): Before {
    const same = this.#sameContents.get(end.contentHash);
    const newest = this.#contents.get(sourceFile);
    const isUndone = newest !== undefined && newest.offset < (this.#undone.get(sourceFile) ?? -1);
    return {
      rows: isUndone ? 0 : newest?.rows,
      usual: sumOf(this.#recent.slice(0, USUAL_FILES)),
      sameContent: same === sourceFile ? undefined : same,
    };
  }

  /** Adds a file that the micro-batch applies. */
  applied(file: EndedFile): void {
    const { sourceFile, end, stage, verdict } = file;
    if (verdict) this.#held.delete(contentName(file));
    this.#load(file);
    const isDeletion = end.outcome === "deleted";
    const rows = isDeletion ? 0 : stage.rowCount;
    if (!isDeletion || this.#contract.onDelete === "remove") this.#raise(sourceFile, { offset: contentOf(file), rows });
    if (!isDeletion) this.#sameContents.set(end.contentHash, sourceFile);
    if (!isDeletion) this.#recent.unshift({ read: rows + stage.rejectCount, rejected: stage.rejectCount });
    this.#newest = Math.max(this.#newest, versionOf(file));
    if (file.stage.rejectCount > 0) this.#incomplete = Math.max(this.#incomplete, versionOf(file));
  }

  /** Adds a file whose rows were all rejected: it changes nothing. */
  rejected(file: EndedFile): void {
    this.#unload(file);
    if (file.verdict) this.#held.delete(contentName(file));
    this.#incomplete = Math.max(this.#incomplete, versionOf(file));
  }

  /** Adds a file that failed or is held. */
  failed(file: EndedFile, { code }: Failure): void {
    this.#unload(file);
    if (code === "FILE_HELD") this.#held.add(contentName(file));
    else if (file.verdict) this.#held.delete(contentName(file));
    const isSetAside = code === "FILE_SUPERSEDED" || code === "FILE_REFUSED";
    if (isSetAside && (file.verdict || isCorrection(file))) this.#superseded.add(contentName(file));
    if (code !== "FILE_SUPERSEDED") this.#incomplete = Math.max(this.#incomplete, versionOf(file));
  }

  /**
   * FileVersion.confirmsUpTo: a row that a new version repeats unchanged gets that version if a version in
   * between is incomplete. Its correction may come later, and must not overwrite the row. The rows that a
   * correction adds are confirmed in any case.
   */
  confirmsUpTo(file: EndedFile): number | undefined {
    if (!isUpsert(this.#contract)) return undefined;
    if (file.repeats?.newRows) return versionOf(file) - 1;
    return this.#incomplete >= 0 && this.#incomplete < versionOf(file) ? this.#incomplete : undefined;
  }

  #load(file: EndedFile): void {
    const version = versionOf(file);
    this.#unloaded.delete(`${version} ${file.sourceFile}`);
    this.#loaded.set(bytesOf(file), Math.max(version, this.#loaded.get(bytesOf(file)) ?? -1));
  }

  #unload(file: EndedFile): void {
    if (!file.repeats) this.#unloaded.set(`${file.sourceOffset} ${file.sourceFile}`, -1);
  }

  #raise(sourceFile: string, content: Content): void {
    const known = this.#contents.get(sourceFile);
    if (!known || known.offset <= content.offset) this.#contents.set(sourceFile, content);
  }
}

interface Content {
  offset: number;
  rows: number;
}

/** What is on record before a micro-batch. */
interface Recorded {
  contents: readonly RecordedContent[];
  versions: RecordedVersions;
  /** Files of the table with the contents of the micro-batch's files. */
  sameContents: readonly SameContent[];
  /** Rows of the table's last files, newest first, if a guard asks for them. */
  recent: readonly RejectedRows[];
}

function failure({ sourceFile, repeats }: EndedFile, why: string): Failure {
  const message = `version ${repeats!.versionOffset} of '${sourceFile}' was not repeated: ${why}`;
  return { code: "FILE_SUPERSEDED", message };
}

/** The part of WriterContext that reads the record. */
interface RecordReader {
  readonly warehouse: Pick<Warehouse, "recordedContents" | "recordedVersions" | "reads">;
  readonly contract: Contract;
  readonly persist: Persist;
  incomplete: number | undefined | "unknown";
}

/** Reads what these files depend on. Returns a function, because a micro-batch may be planned twice. */
export async function readRecord(
  writer: RecordReader,
  files: readonly EndedFile[],
  retryable: (thrown: unknown) => boolean,
): Promise<() => OnRecord> {
  const { contract, warehouse } = writer;
  const { table, deleteMissing } = contract;
  const repeating = files.filter(({ repeats }) => repeats);
  const compared = files.filter((file) => file.repeats !== undefined || needsRowsBefore(file, contract));
  const names = [...new Set(compared.map(({ sourceFile }) => sourceFile))];
  const contents =
    names.length === 0
      ? []
      : await writer.persist("describe", () => warehouse.recordedContents(table, names), { retryable });
  const unknown = isUpsert(contract) && writer.incomplete === "unknown";
  let newest: number | undefined;
  if (unknown || (deleteMissing && repeating.length > 0)) {
    const versions = await writer.persist("describe", () => warehouse.recordedVersions(table), { retryable });
    newest = versions.newest;
    if (writer.incomplete === "unknown") writer.incomplete = versions.incomplete;
  }
  const incomplete = writer.incomplete === "unknown" ? undefined : writer.incomplete;
  const sameContents = await readSameContents(writer, files, retryable);
  const recent = await readRecent(writer, files, retryable);
  return () => new OnRecord(contract, { contents, versions: { newest, incomplete }, sameContents, recent });
}

async function readRecent(
  { contract, warehouse, persist }: RecordReader,
  files: readonly EndedFile[],
  retryable: (thrown: unknown) => boolean,
): Promise<RejectedRows[]> {
  if (!files.some((file) => needsUsualRejects(file, contract))) return [];
  const read = () => usualRejects(warehouse.reads, contract.table, LOOKUP_MS_MAX);
  return persist("describe", read, { retryable });
}

/** The timeout of a lookup, which is repeated until it succeeds. */
const LOOKUP_MS_MAX = 60_000;

function readSameContents(
  { contract, warehouse, persist }: RecordReader,
  files: readonly EndedFile[],
  retryable: (thrown: unknown) => boolean,
): Promise<SameContent[]> {
  const hashes = files.filter((file) => needsSameContent(file, contract)).map(({ end }) => end.contentHash);
  if (hashes.length === 0) return Promise.resolve([]);
  const read = () => warehouse.reads.files.sameContents(contract.table, hashes, { timeoutMs: LOOKUP_MS_MAX });
  return persist("describe", read, { retryable });
}
