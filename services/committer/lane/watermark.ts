/** A file of which some message has been read and whose end is not yet on record. */
export interface Unfinished {
  /** Offset in rows.<table> of the first message that was read of it, whichever parse run sent it. */
  readonly firstOffset: number;
}

/**
 * How far rows.<table> may be acked: nothing at or beyond the first message of a file that is not on record yet, since after a crash
 * exactly the unacked messages come again. `nextOffset` follows the last message read.
 */
export function ackPosition(unfinished: Iterable<Unfinished>, nextOffset: number): number {
  let position = nextOffset;
  for (const { firstOffset } of unfinished) position = Math.min(position, firstOffset);
  return position;
}

/** Has the table absorbed this file version already? `watermark` is the highest source offset on record for it. */
export function isAbsorbed(sourceOffset: number, watermark: number | undefined): boolean {
  return watermark !== undefined && sourceOffset <= watermark;
}
