/** A file with at least one message read and its end not yet recorded. */
export interface Unfinished {
  /** Offset in rows.<table> of its first message, of any parse attempt. */
  readonly firstOffset: number;
}

/**
 * The position up to which rows.<table> may be acked: before the first message of every unrecorded file,
 * because after a crash exactly the unacked messages are redelivered. `nextOffset` follows the last message
 * read.
 */
export function ackPosition(unfinished: Iterable<Unfinished>, nextOffset: number): number {
  let position = nextOffset;
  for (const { firstOffset } of unfinished) position = Math.min(position, firstOffset);
  return position;
}

/**
 * Whether the table has absorbed this file version. `watermark` is the highest source offset recorded for
 * the table.
 */
export function isAbsorbed(sourceOffset: number, watermark: number | undefined): boolean {
  return watermark !== undefined && sourceOffset <= watermark;
}
