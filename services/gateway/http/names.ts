import type { Contracts } from "../../../lib/contract/contract.ts";
import { tableNameOf } from "../../../lib/parsing/names.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { nearestOf } from "../../../lib/nearest.ts";
import { isReservedTable, tableId, tableOfPublished } from "../../../lib/tables.ts";

const FILE_NAME_BYTES_MAX = 512;

/**
 * Returns the table name if files may be sent to it.
 * @throws TABLE_NAME_INVALID naming a valid table name
 */
export function checkTableName(name: string, contracts: Contracts): string {
  const refuse = (why: string): never => {
    throw new TributaryError("TABLE_NAME_INVALID", why);
  };
  const valid = tableNameOf(name);
  if (valid !== name) refuse(`'${printable(name)}' is not a valid table name: use '${valid}'`);
  if (isReservedTable(name)) refuse(`'${name}' is reserved for Tributary's own tables: choose another name`);
  const base = tableOfPublished(tableId(name))?.name;
  const isPublished = contracts.declared().some(({ table, gate }) => table === base && gate === "block");
  if (base !== undefined && isPublished) {
    refuse(`'${name}' is the published view of '${base}': send files to '${base}'`);
  }
  return name;
}

/**
 * Returns the file name if it is valid for a file of a table.
 * @throws FILE_NAME_INVALID
 */
export function checkFileName(name: string): string {
  const fault = fileNameFault(name);
  if (fault) throw new TributaryError("FILE_NAME_INVALID", `'${printable(name)}' ${fault}`);
  return name;
}

function fileNameFault(name: string): string | undefined {
  if (name === "") return "is empty";
  if (Buffer.byteLength(name) > FILE_NAME_BYTES_MAX) return `is longer than ${FILE_NAME_BYTES_MAX} bytes`;
  if (/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(name)) return "contains a control character or half a character";
  if (/[\u202a-\u202e\u2066-\u2069]/.test(name)) return "contains a character that changes the reading direction";
  const segments = name.split(/[/\\]/);
  if (segments[0] === "") return "begins with a slash";
  if (segments.some((segment) => segment === "..")) return "contains '..'";
  if (segments.some((segment) => segment === "" || segment === ".")) return "contains an empty or '.' segment";
  return undefined;
}

/** A name as a message may quote it: at most `charsMax` characters, without control characters. */
export function printable(name: string, charsMax = 80): string {
  const clean = name.replace(/[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/gu, "�");
  return clean.length > charsMax ? `${clean.slice(0, charsMax)}…` : clean;
}

/** Names compared with one that does not exist. */
const COMPARED_MAX = 1_000;

/** The error for a name that does not exist: `what`, the name, and the nearest of the names that do. */
export function noSuch(what: string, name: string, known: readonly string[]): TributaryError {
  const near = nearestOf(name, known.slice(-COMPARED_MAX));
  const meant = near === undefined ? "" : `: did you mean '${printable(near)}'?`;
  return new TributaryError("NOT_FOUND", `${what}: '${printable(name)}'${meant}`);
}
