import { DOUBT_REASONS } from "../formats/format.ts";

/** Why a file is held instead of loaded. A closed list, part of messages and of the API. */
export const HELD_REASONS = [
  ...DOUBT_REASONS,
  /** The version has no row that loads, and the version before it had rows. */
  "empty_version",
  /** Fewer rows than the contract allows, compared with the version before. */
  "shrunk",
  /** More rows than the contract allows, compared with the version before. */
  "grown",
  /** The number of rows is outside the contract's `rowsMin` and `rowsMax`. */
  "row_count",
  /** Many more rows are rejected than in the table's other files. */
  "many_rejects",
  /** A total that the file states does not match its rows. */
  "control_total",
  /** Another file of the table has the same content. */
  "duplicate_content",
  /** The file would add columns, and the contract wants to be asked. */
  "new_columns",
] as const;

export interface HeldReason {
  reason: (typeof HELD_REASONS)[number];
  /** What was found, in words, with numbers. */
  evidence: string;
}

/** What happens to a file in doubt: it waits for a decision, is loaded all the same, or fails. */
export const DOUBT_ACTIONS = ["hold", "load", "fail"] as const;
export type DoubtAction = (typeof DOUBT_ACTIONS)[number];

const REASONS_MAX = 12;
const EVIDENCE_CHARS_MAX = 500;

/** The reasons as one sentence, for the file's error. */
export const heldMessage = (reasons: readonly HeldReason[]): string =>
  reasons
    .slice(0, REASONS_MAX)
    .map(({ evidence }) => evidence.slice(0, EVIDENCE_CHARS_MAX))
    .join("; ");

/** The reasons as a field of a message. */
export const heldReasonsJson = (reasons: readonly HeldReason[]): string =>
  JSON.stringify(
    reasons
      .slice(0, REASONS_MAX)
      .map(({ reason, evidence }) => ({ reason, evidence: evidence.slice(0, EVIDENCE_CHARS_MAX) })),
  );

/** The reverse of `heldReasonsJson`; reasons that this version does not know are left out. */
export function heldReasonsIn(json: string | null | undefined): HeldReason[] {
  if (!json) return [];
  try {
    const given = JSON.parse(json) as unknown;
    return Array.isArray(given) ? given.filter(isHeldReason) : [];
  } catch {
    return [];
  }
}

function isHeldReason(given: unknown): given is HeldReason {
  if (typeof given !== "object" || given === null) return false;
  const { reason, evidence } = given as Partial<Record<string, unknown>>;
  return (HELD_REASONS as readonly unknown[]).includes(reason) && typeof evidence === "string";
}
