import { createHash } from "node:crypto";
import { setMaxListeners } from "node:events";
import type { Clock } from "../../../clock.ts";
import type { GateEvent } from "../../gate-events.ts";
import type { CatalogSend } from "./catalog-port.ts";
import type { Outcome } from "./outcome.ts";
import { readCommit, type CommitRequest, type Fault } from "./request.ts";
import { settleCommit, type Settled } from "./settle.ts";
import { CommitError, resultOf, Transactions, type TablePart, type TransactionResult } from "./transactions.ts";

export interface GateOptions {
  send: CatalogSend;
  clock: Clock;
  onEvent: (event: GateEvent) => void;
  /** Of one request to the catalog. Default 30 s. */
  attemptMs?: number;
  /** Of one commit, with all its attempts. Default 90 s. DuckDB must wait longer: see `writerSettings`. */
  deadlineMs?: number;
  /** `doctor` has shown that a commit of several tables is applied whole or not at all. Default false. */
  isAtomic?: boolean;
}

const ATTEMPT_MS = 30_000;
const DEADLINE_MS = 90_000;
/** Answers that are kept for a writer that asks again. It asks within seconds. */
const KEPT_ANSWERS_MAX = 64;

/** What the writer gets. */
export interface GateAnswer {
  readonly status: number;
  readonly body: Uint8Array | string;
}

/**
 * The commit gate between DuckDB's Iceberg writer and the catalog, without HTTP. DuckDB repeats a commit
 * whose answer is lost, takes the 409 of the repetition for a conflict, and deletes the files of the
 * snapshot that it has committed. So the gate makes each outcome definite first (outcome.ts) and tells the
 * writer a failure only if nothing was applied nor can be any more. Otherwise it tells success, so that the
 * writer deletes nothing; the truth goes to the caller of `transaction`.
 */
export class CommitGate {
  readonly #options: Required<GateOptions>;
  readonly #transactions = new Transactions();
  /** By digest of the request: a repetition gets the first one's answer, also while that is being made. */
  readonly #answers = new Map<string, Promise<GateAnswer>>();
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: GateOptions) {
    // Every running commit listens, and one for each table may run.
    setMaxListeners(0, this.#stop.signal);
    this.#options = { attemptMs: ATTEMPT_MS, deadlineMs: DEADLINE_MS, isAtomic: false, ...options };
  }

  /**
   * Runs the writer's COMMIT, whose new snapshots get the summaries of `parts`, and `id` (default: random).
   * Every table that the transaction changes must be among them, and what they join goes along. Returns the
   * tables that have a new snapshot.
   * @throws CommitError if the transaction is not committed as a whole, or nobody knows: `result` says
   *   what is. Read the watermarks of its tables again before another attempt.
   * @throws what `commit` throws if it sent no commit
   */
  async transaction(
    parts: readonly TablePart[],
    commit: () => Promise<unknown>,
    id?: string,
  ): Promise<TransactionResult> {
    const transaction = this.#transactions.begin(parts, id);
    let failure: { thrown: unknown } | undefined;
    try {
      await commit();
    } catch (thrown) {
      failure = { thrown };
    }
    const result = await resultOf(transaction).finally(() => this.#transactions.end(transaction));
    if (result.kind === "nothing" && failure) throw failure.thrown;
    if (result.kind !== "nothing" && result.kind !== "committed") throw new CommitError(result, failure?.thrown);
    if (failure) this.#options.onEvent({ event: "writer-failed", tables: result.committed, error: failure.thrown });
    return result;
  }

  /** Answers a commit request of the writer (`isCommit`). */
  commit(path: string, headers: Readonly<Record<string, string>>, body: string): Promise<GateAnswer> {
    const digest = createHash("sha256").update(`${path}\n${body}`).digest("base64");
    const known = this.#answers.get(digest);
    if (known) return known;
    const answer = this.#commit(path, headers, body);
    this.#answers.set(digest, answer);
    this.#running.add(answer);
    void answer.finally(() => {
      this.#running.delete(answer);
      if (this.#answers.size > KEPT_ANSWERS_MAX) this.#forgetOldest();
    });
    return answer;
  }

  /** Waits for the commits that run, at most for `graceMs`; then their outcome stays unknown. */
  async close(graceMs: number): Promise<void> {
    const waited = new AbortController();
    const ended = Promise.all(this.#running).then(() => waited.abort());
    await this.#options.clock.sleep(graceMs, waited.signal);
    this.#stop.abort();
    await ended;
  }

  async #commit(path: string, headers: Readonly<Record<string, string>>, body: string): Promise<GateAnswer> {
    const { onEvent, clock } = this.#options;
    const transactions = this.#transactions;
    const read = readCommit(
      path,
      body,
      (key, keys) => transactions.announced(key, keys),
      (keys) => transactions.joining(keys),
    );
    if ("fault" in read) return this.#refuse(read);
    const startMs = clock.monotonicMs();
    const keys = read.changes.map(({ key }) => key);
    const settled = this.#settle(read, headers);
    const snapshots = new Map(read.changes.map((change) => [change.key, change.snapshots]));
    this.#transactions.of(keys[0]!)?.commits.push({ keys, snapshots, outcome: settled.then(({ outcome }) => outcome) });
    const { outcome, attempts, answer } = await settled;
    const message = "message" in outcome ? { message: outcome.message } : {};
    const durationMs = clock.monotonicMs() - startMs;
    onEvent({ event: "commit", outcome: outcome.kind, tables: keys, attempts, durationMs, ...message });
    return answerFor(outcome, answer);
  }

  /** Refuses what it has not sent. */
  #refuse({ fault, isConflict, keys }: Fault): GateAnswer {
    const status = isConflict ? 409 : 400;
    const owner = keys.map((key) => this.#transactions.of(key)).find((transaction) => transaction !== undefined);
    const outcome = Promise.resolve({ kind: "refused", status, message: fault } as const);
    owner?.commits.push({ keys, snapshots: new Map(), outcome });
    this.#options.onEvent({ event: "refuse", status, message: fault });
    return { status, body: errorBody(status, isConflict ? CONFLICT : "BadRequestException", fault) };
  }

  #settle(request: CommitRequest, headers: Readonly<Record<string, string>>): Promise<Settled> {
    const { onEvent, ...options } = this.#options;
    return settleCommit(request, {
      ...options,
      headers,
      stop: this.#stop.signal,
      onAttempt: (answer) =>
        onEvent({
          event: "attempt",
          answer: answer.kind,
          ...("message" in answer ? { message: answer.message } : {}),
        }),
    });
  }

  #forgetOldest(): void {
    for (const [digest, answer] of this.#answers) {
      if (this.#answers.size <= KEPT_ANSWERS_MAX) return;
      if (!this.#running.has(answer)) this.#answers.delete(digest);
    }
  }
}

/**
 * DuckDB reads neither the body of 200 nor of 204 after a commit (duckdb-iceberg v1.5,
 * IRCAPI::CommitTableUpdate and CommitMultiTableUpdate), so 204 says success where the catalog's own answer
 * is lost. It does not repeat a request after 502 (duckdb, HTTPResponse::ShouldRetry).
 */
function answerFor(outcome: Outcome, answer: Settled["answer"]): GateAnswer {
  switch (outcome.kind) {
    case "committed":
      return answer && answer.status < 300 ? answer : SUCCESS;
    case "partial":
    case "unknown":
      return SUCCESS;
    case "refused":
      return answer && answer.status === outcome.status
        ? answer
        : { status: outcome.status, body: errorBody(outcome.status, CONFLICT, outcome.message) };
    case "unavailable":
      return { status: 502, body: errorBody(502, "ServiceUnavailableException", outcome.message) };
  }
}

/** The specification's name of a conflict. */
const CONFLICT = "CommitFailedException";

const SUCCESS: GateAnswer = { status: 204, body: "" };

/** An error in the words of the REST specification. */
export const errorBody = (code: number, type: string, message: string): string =>
  JSON.stringify({ error: { message, type, code } });
