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

/** Parses a comment that `publishedComment` made. */
export function publishedIn(comment: string): Published {
  const time = (pattern: RegExp): number | null => {
    const ms = Date.parse(pattern.exec(comment)?.[1] ?? "");
    return Number.isNaN(ms) ? null : ms;
  };
  return { asOfMs: time(/\bas of (\S+?Z)/), heldBackSinceMs: time(/\bheld back since (\S+?Z)/) };
}
