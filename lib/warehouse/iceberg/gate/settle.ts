import type { Clock } from "../../../clock.ts";
import { messageOf } from "../../../errors.ts";
import { isUnsent, type CatalogAnswer, type CatalogSend } from "./catalog-port.ts";
import { isObject, parseForReading, type JsonObject } from "./exact-json.ts";
import { onAnswer, onDeadline, onSight, start, type Answer, type Outcome, type Sight } from "./outcome.ts";
import { bodyOf, type CommitRequest, type TableChange } from "./request.ts";
import { readTable } from "./table-state.ts";

export interface SettleOptions {
  send: CatalogSend;
  clock: Clock;
  /** Headers of the writer's request. */
  headers: Readonly<Record<string, string>>;
  /** Of one attempt. */
  attemptMs: number;
  /** Of the whole. */
  deadlineMs: number;
  isAtomic: boolean;
  /** Aborts when the process must stop. */
  stop: AbortSignal;
  onAttempt: (answer: Answer) => void;
}

export interface Settled {
  outcome: Outcome;
  /** Attempts to commit. */
  attempts: number;
  /** The catalog's last answer to an attempt, if it had one. */
  answer: CatalogAnswer | undefined;
}

/**
 * Commits, and makes the outcome definite as far as the time allows. Never throws for what a catalog does.
 */
export async function settleCommit(request: CommitRequest, options: SettleOptions): Promise<Settled> {
  const { clock, stop, deadlineMs, isAtomic, onAttempt } = options;
  const endMs = clock.monotonicMs() + deadlineMs;
  const leftMs = (): number => endMs - clock.monotonicMs();
  let [state, action] = start(request.changes);
  let attempts = 0;
  let last: CatalogAnswer | undefined;
  while (action.do !== "finish") {
    if (action.waitMs > 0) await clock.sleep(Math.min(action.waitMs, Math.max(0, leftMs())), stop);
    if (stop.aborted || leftMs() <= 0) return { outcome: onDeadline(state), attempts, answer: last };
    const timeoutMs = Math.max(1, Math.min(options.attemptMs, leftMs()));
    if (action.do === "send") {
      attempts++;
      const { answer, raw } = await attempt(request, action.changes, options, timeoutMs);
      last = raw ?? last;
      onAttempt(answer);
      [state, action] = onAnswer(state, answer);
    } else {
      const sights: Sight[] = [];
      for (const change of action.changes) {
        const untilMs = Math.max(1, Math.min(options.attemptMs, leftMs()));
        sights.push(await look(change, options, untilMs));
      }
      [state, action] = onSight(state, sights, { isAtomic });
    }
  }
  return { outcome: action.outcome, attempts, answer: last };
}

async function attempt(
  request: CommitRequest,
  changes: readonly TableChange[],
  { send, headers, stop }: SettleOptions,
  timeoutMs: number,
): Promise<{ answer: Answer; raw?: CatalogAnswer }> {
  try {
    const body = bodyOf(request, changes);
    const raw = await send({ method: "POST", path: request.path, headers, body, timeoutMs, signal: stop });
    return { answer: answerOf(raw), raw };
  } catch (thrown) {
    return { answer: { kind: isUnsent(thrown) ? "away" : "lost", message: messageOf(thrown) } };
  }
}

/** Statuses below 500 after which the request may have been applied: a proxy gave up waiting. */
const LOST = new Set([408, 499]);
/** Too early or too often: not applied, and welcome later. */
const AWAY = new Set([425, 429]);
/** Not implemented, HTTP version: definite answers among the 5xx. */
const REFUSED = new Set([501, 505]);

/**
 * What an answer to a commit says. By the REST specification the state is unknown after 500, 502 and 504;
 * of 503 it says only that the service is not ready, which a proxy in front of it says too, so it counts as
 * unknown.
 */
export function answerOf({ status, headers, body }: CatalogAnswer): Answer {
  const message = `the catalog answers ${status}: ${explanation(body)}`;
  if (status >= 200 && status < 300) {
    // 200 has a body by the specification. One that is torn or foreign, such as a login page, proves nothing.
    const isWhole = status !== 200 || body.length === 0 || isJson(body);
    return isWhole ? { kind: "accepted" } : { kind: "lost", message: "the catalog's answer is not JSON" };
  }
  if (AWAY.has(status)) return { kind: "away", message, waitMs: waitOf(headers["retry-after"]) };
  if (LOST.has(status) || status < 200 || (status >= 500 && !REFUSED.has(status))) return { kind: "lost", message };
  return { kind: "refused", status, message };
}

function waitOf(retryAfter: string | undefined): number | undefined {
  const seconds = Number(retryAfter);
  return retryAfter !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}

const textOf = (body: Uint8Array): string => Buffer.from(body).toString("utf8");

function isJson(body: Uint8Array): boolean {
  try {
    return isObject(JSON.parse(textOf(body)));
  } catch {
    return false;
  }
}

const EXPLANATION_CHARS_MAX = 500;

/** An error in the words of the specification: {"error": {"message", "type", "code"}}. */
function errorIn(body: Uint8Array): JsonObject | undefined {
  try {
    const read = parseForReading(textOf(body));
    const error = isObject(read) ? read["error"] : undefined;
    return isObject(error) ? error : undefined;
  } catch {
    return undefined;
  }
}

function explanation(body: Uint8Array): string {
  const message = errorIn(body)?.["message"];
  return typeof message === "string" ? message.slice(0, EXPLANATION_CHARS_MAX) : "no explanation";
}

async function look(change: TableChange, { send, headers, stop }: SettleOptions, timeoutMs: number): Promise<Sight> {
  try {
    const path = `${change.loadPath}?snapshots=all`;
    const answer = await send({ method: "GET", path, headers: readHeaders(headers), timeoutMs, signal: stop });
    // A proxy in front of a catalog that is away says 404 too, in words of its own.
    if (answer.status === 404) return errorIn(answer.body) ? "missing" : "unavailable";
    return answer.status === 200 ? (readTable(textOf(answer.body)) ?? "unavailable") : "unavailable";
  } catch {
    return "unavailable";
  }
}

/** Headers of the commit that describe its body do not fit a request without one. */
const readHeaders = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith("content-")));
