import type { FileSkip } from "./generated.ts";

/** The message of a file that somebody cancelled, from whichever service ends it. */
export function cancelMessage({ reason, requestedBy }: Pick<FileSkip, "reason" | "requestedBy">): string {
  return `cancelled${requestedBy === "" ? "" : ` by ${requestedBy}`}${reason === "" ? "" : `: ${reason}`}`;
}
