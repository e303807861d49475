import type { Client } from "../client.ts";
import { lineText, tableText, UsageError } from "../output.ts";
import type { FileAnswer } from "../upload.ts";

const FILE_ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const ID_PART = /^[0-9a-f-]+$/i;
/** Characters of an id, at least, in commands that change something. */
const PART_CHARS_MIN = 8;
const PAGE_FILES = 1_000;
const PAGES_MAX = 10;
const CANDIDATES_MAX = 10;

/** What tells which file is meant. */
export const FILE_ARGUMENT = "id of the file, the beginning of one (8 characters or more), or table/name";

export interface Search {
  table?: string | undefined;
  /** Files of this status are meant first. */
  status?: string;
  /** An id may be given by its beginning or end, of any length, and a file by its name alone. */
  lenient?: boolean;
}

/**
 * The id of the file that the user means. Of several versions of a name the newest counts, or the only one of
 * `status`.
 * @throws UsageError if no file fits, or several do: the message lists them
 */
export async function findFileId(client: Client, given: string, search: Search = {}): Promise<string> {
  return FILE_ID.test(given) ? given : (await findFile(client, given, search)).fileId;
}

/** As `findFileId`: the file. */
export async function findFile(client: Client, given: string, search: Search = {}): Promise<FileAnswer> {
  if (FILE_ID.test(given)) return client.send<FileAnswer>("GET", `/v1/files/${given}`);
  const part = given.toLowerCase();
  const isPart = ID_PART.test(given) && (search.lenient === true || given.length >= PART_CHARS_MIN);
  const slash = given.indexOf("/");
  const isNamed = (file: FileAnswer): boolean =>
    (slash > 0 && file.table === given.slice(0, slash) && file.sourceFile === given.slice(slash + 1)) ||
    ((search.lenient === true || slash > 0) && file.sourceFile === given);
  const fits = ({ fileId }: FileAnswer): boolean =>
    isPart && (fileId.startsWith(part) || (search.lenient === true && fileId.endsWith(part)));
  const found: FileAnswer[] = [];
  let searched = 0;
  for await (const files of pagesOf(client, search.table)) {
    const own = files.filter((file) => isFile(file) && (isNamed(file) || fits(file)));
    found.push(...own);
    searched += files.length;
    if (own.length === 0 && found.length > 0) break;
  }
  const named = found.filter(isNamed);
  const meant = newestNamed(named, search.status) ?? (named.length > 0 ? named : found);
  if (meant.length === 1) return meant[0]!;
  if (meant.length > 1) throw ambiguous(given, meant);
  if (ID_PART.test(given) && !isPart) {
    throw new UsageError(`'${lineText(given)}' is too short for an id`, `Pass ${PART_CHARS_MIN} characters or more.`);
  }
  throw new UsageError(`none of the newest ${searched} files is '${lineText(given)}'`, `Pass the ${FILE_ARGUMENT}.`);
}

/** A drop or a rename has a place among the files, but is none. */
const isFile = ({ operation }: FileAnswer): boolean => !operation || operation === "undo";

/** Newest first. */
async function* pagesOf(client: Client, table: string | undefined): AsyncGenerator<FileAnswer[]> {
  let cursor: string | null = null;
  for (let page = 0; page < PAGES_MAX; page++) {
    const query = new URLSearchParams({ limit: String(PAGE_FILES), ...(table === undefined ? {} : { table }) });
    if (cursor !== null) query.set("cursor", cursor);
    const answer: { files: FileAnswer[]; nextCursor?: string | null } = await client.send(
      "GET",
      `/v1/files?${query.toString()}`,
    );
    yield answer.files;
    cursor = answer.nextCursor ?? null;
    if (cursor === null) return;
  }
}

/** The versions that a name means; undefined if files of several tables have it. */
function newestNamed(named: readonly FileAnswer[], status: string | undefined): readonly FileAnswer[] | undefined {
  const first = named.filter((file) => file.status === status);
  if (first.length > 0) return first;
  const [newest] = named;
  return newest && named.every(({ table }) => table === newest.table) ? [newest] : undefined;
}

function ambiguous(given: string, files: readonly FileAnswer[]): UsageError {
  const shown = files.slice(0, CANDIDATES_MAX);
  const more = files.length > shown.length ? `\n… and ${files.length - shown.length} more` : "";
  const list = tableText(
    ["id", "file", "status", "received"],
    shown.map(({ fileId, table, sourceFile, status, receivedAt }) => [
      fileId,
      `${table}/${sourceFile}`,
      status,
      receivedAt,
    ]),
  );
  return new UsageError(
    `'${lineText(given)}' fits ${files.length} files:\n${list}${more}`,
    "Pass more of the id, or table/name.",
  );
}

/** Lengths at which a part of an id ends. The first 13 characters are the time, or a hash. */
const SHORT_LENGTHS = [13, 18, 23];

/** The beginnings of ids, as short as these can be told apart. */
export function shortIds(ids: readonly string[]): string[] {
  const length = SHORT_LENGTHS.find((chars) => new Set(ids.map((id) => id.slice(0, chars))).size === new Set(ids).size);
  return ids.map((id) => id.slice(0, length));
}
