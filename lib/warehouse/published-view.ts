import type { Published } from "./warehouse.ts";

/** What is shared by the warehouses' ways to keep `<table>_trusted`: its name, and what its comment says. */

/** The relation that shows a table's data as of its last passing checks. */
export const publishedName = (table: string): string => `${table}_trusted`;

const isoText = (ms: number): string => new Date(ms).toISOString();

/** The relation's comment, for whoever looks at it in a query tool, and for `trustedIn`: nowhere else is this kept. */
export function publishedComment({ asOfMs, heldBackSinceMs }: Published): string {
  const shows = asOfMs === null ? "empty: no checks have passed yet" : `as of ${isoText(asOfMs)}`;
  return heldBackSinceMs === null ? shows : `${shows}; held back since ${isoText(heldBackSinceMs)}`;
}

/** What such a comment says. */
export function publishedIn(comment: string): Published {
  const time = (pattern: RegExp): number | null => {
    const ms = Date.parse(pattern.exec(comment)?.[1] ?? "");
    return Number.isNaN(ms) ? null : ms;
  };
  return { asOfMs: time(/\bas of (\S+?Z)/), heldBackSinceMs: time(/\bheld back since (\S+?Z)/) };
}
