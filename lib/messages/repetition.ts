import type { FileEvent, Repetition } from "./generated.ts";

/** A file event with its offset. */
export interface VersionEvent {
  offset: number;
  event: FileEvent;
}

/** The version that an event adds, repeats or corrects: the `_source_offset` of its rows. */
export const versionOf = ({ offset, event }: VersionEvent): number => event.versionOffset ?? offset;

/** Whether the event publishes bytes again that an earlier event brought, and claims no newer version. */
export const isRepetition = ({ event }: Pick<VersionEvent, "event">): boolean =>
  event.origin === "replay" && event.versionOffset !== null;

/** Whether the event brings an earlier version with corrected rows. */
export const isCorrection = ({ event }: Pick<VersionEvent, "event">): boolean =>
  event.origin !== "replay" && event.versionOffset !== null;

/** Whether the event is an operation on the table rather than a file. */
export const isOperation = ({ event }: Pick<VersionEvent, "event">): boolean => (event.operationJson ?? null) !== null;

/** Offset of the event that first brought the event's bytes. */
export const contentOf = (item: VersionEvent): number =>
  isRepetition(item) ? (item.event.baseOffset ?? item.event.versionOffset!) : item.offset;

/** What the event repeats, for the committer; null: it is a new version. */
export function repetitionOf(item: VersionEvent): Repetition | null {
  const { versionOffset, baseOffset = null, newRows = false } = item.event;
  return versionOffset === null ? null : { versionOffset, baseOffset, contentOffset: contentOf(item), newRows };
}
