import { TributaryError } from "../errors.ts";
import { publishedOf, tableId } from "../tables.ts";
import type { Published } from "./warehouse.ts";

/** The name and the comment of `<table>_trusted`, the same for all warehouses. */

/** The name of the relation that shows a table's data as of its last passing checks. */
export const publishedName = (table: string): string => publishedOf(tableId(table)).name;

const isoText = (ms: number): string => new Date(ms).toISOString();

/**
 * The relation's comment, for users of query tools and for `publishedIn`. The state is stored nowhere else.
 */
export function publishedComment({ asOfMs, heldBackSinceMs }: Published): string {
  const shows = asOfMs === null ? "empty: no checks have passed yet" : `as of ${isoText(asOfMs)}`;
  return heldBackSinceMs === null ? shows : `${shows}; held back since ${isoText(heldBackSinceMs)}`;
}

const COMMENT = /^(?:empty: no checks have passed yet|as of \S+Z)(?:; held back since \S+Z)?$/;

/** Parses a comment that `publishedComment` made; undefined for any other: the view is not Tributary's. */
export function publishedIn(comment: string): Published | undefined {
  if (!COMMENT.test(comment)) return undefined;
  const time = (pattern: RegExp): number | null => {
    const ms = Date.parse(pattern.exec(comment)?.[1] ?? "");
    return Number.isNaN(ms) ? null : ms;
  };
  return { asOfMs: time(/\bas of (\S+?Z)/), heldBackSinceMs: time(/\bheld back since (\S+?Z)/) };
}

/** The error for a table, or for a view of somebody else, that has the name of the published view. */
export const nameTaken = (table: string, what: "table" | "view"): TributaryError =>
  new TributaryError(
    "TRUSTED_NAME_TAKEN",
    `'${publishedName(table)}' is a ${what} that Tributary did not make for the gate of '${table}'`,
  );
