import { systemClock } from "../lib/clock.ts";
import type { Progress } from "../lib/messages/progress.ts";
import { countText, lineText, sizeText } from "./output.ts";
import type { Session } from "./session.ts";

/** The file of the same table that a file waits behind. */
export interface WaitsFor {
  sourceFile: string;
  progress: Progress;
}

const POLL_MS = 1_000;
/** Without a terminal, time between two lines. */
const LINE_MS = 10_000;
const BAR_CHARS = 24;
const CLEAR = "\r\x1b[K";

/**
 * Shows on standard error how far something is, until `work` has ended. `textOf` asks for one line; empty or
 * undefined: nothing new. On a terminal the line is replaced, elsewhere a line is added now and then.
 */
export async function whileShown<T>(
  { json, tell }: Pick<Session, "json" | "tell">,
  textOf: () => Promise<string | undefined>,
  work: () => Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  const showing = json ? undefined : show(textOf, tell, ended.signal);
  try {
    return await work();
  } finally {
    ended.abort();
    await showing;
  }
}

async function show(
  textOf: () => Promise<string | undefined>,
  tell: Session["tell"],
  ended: AbortSignal,
): Promise<void> {
  const onTerminal = process.stderr.isTTY;
  let [shown, shownAtMs] = ["", -Infinity];
  for (;;) {
    await systemClock.sleep(POLL_MS, ended);
    if (ended.aborted) break;
    const text = (await textOf().catch(() => undefined)) ?? "";
    if (ended.aborted || text === "" || text === shown) continue;
    if (!onTerminal && systemClock.monotonicMs() - shownAtMs < LINE_MS) continue;
    [shown, shownAtMs] = [text, systemClock.monotonicMs()];
    if (onTerminal) process.stderr.write(`${CLEAR}${text}`);
    else tell(text);
  }
  if (onTerminal && shown !== "") process.stderr.write(CLEAR);
}

/** How far a file or a rebuild is, in one line. */
export function progressText({ progress }: { progress: Progress | null }): string {
  if (!progress) return "rebuild: waits for the files before it";
  const { step, filesDone, filesTotal, bytesDone, bytesTotal, rowsDone, rowsTotal = 0 } = progress;
  const amounts = `${sizeText(bytesDone)} of ${sizeText(bytesTotal)}, ${countText(rowsDone, "row")}`;
  if (step === "parse") return `parsing: ${amounts}`;
  if (step === "load") return `loading: ${rowsDone} of ${countText(rowsTotal, "row")}`;
  if (step === "commit") return `committing: ${countText(rowsTotal, "row")}`;
  if (step === "replace") return "rebuild: the new table takes its place";
  const what = step === "types" ? "1 of 2, finds types" : "2 of 2, loads rows";
  return `rebuild ${what}: ${filesDone} of ${countText(filesTotal, "file")}, ${amounts}`;
}

/** Which file it waits behind, and how far that one is. */
export const waitsForText = ({ sourceFile, progress }: WaitsFor): string =>
  `waits for ${lineText(sourceFile)} (${progressText({ progress })})`;

/** "[======------------------]", by bytes. */
export function barText({ bytesDone, bytesTotal }: Progress): string {
  const done = Math.min(BAR_CHARS, Math.floor((BAR_CHARS * bytesDone) / Math.max(1, bytesTotal)));
  return `[${"=".repeat(done)}${"-".repeat(BAR_CHARS - done)}]`;
}
