import type { CatalogAnswer, CatalogRequest } from "../../../lib/warehouse/iceberg/gate/catalog-port.ts";
import { error, type CatalogModel, type ModelAnswer } from "../../support/catalog-model.ts";
import type { SimClock } from "./sim-clock.ts";

export interface NetworkOptions {
  catalog: CatalogModel;
  clock: SimClock;
  random: () => number;
  /** Share of requests with a fault, 0 to 1. */
  faultShare: number;
  /** After each request that the catalog has handled. */
  onApplied: () => void;
}

/** What goes wrong with a request. Applied: `after…`, and the slow ones, when the client has long given up. */
const FAULTS = [
  "unsent",
  "lost-before",
  "lost-after",
  "status-before",
  "status-after",
  "slow",
  "very-slow",
  "torn",
  "conflict-after",
  "conflict-before",
  "foreign-200",
  "busy",
  "foreign-404",
  "login-ended",
  "middle",
] as const;

type Fault = (typeof FAULTS)[number];

const STATUSES = [500, 502, 503, 504, 408, 599];

/**
 * A time in which one kind of trouble goes on. `away`: nothing answers; some requests are kept and handled in the
 * end. `locked`: every commit is refused while the one that holds the lock is handled. `blind`: no table can be
 * loaded.
 */
interface Outage {
  kind: "away" | "locked" | "blind";
  untilMs: number;
}

const OUTAGE_SHARE = 0.01;
const OUTAGE_MS_MAX = 60_000;

/** The network between the gate and the catalog, with faults. */
export class Network {
  readonly #options: NetworkOptions;
  /** Requests that are under way, whether or not somebody waits for them. */
  readonly inFlight = new Set<Promise<unknown>>();
  /** How often each fault happened. */
  readonly faults = new Map<Fault, number>();
  #outage: Outage = { kind: "away", untilMs: 0 };

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  /** Ends all faults, so that work can complete. */
  heal(): void {
    this.#options.faultShare = 0;
  }

  async send({ method, path, body, timeoutMs, signal }: CatalogRequest): Promise<CatalogAnswer> {
    const { clock, random, faultShare } = this.#options;
    const text = String(body ?? "");
    await clock.sleep(1 + Math.floor(random() * 5));
    const { fault, delayMs } = this.#faultOf(method, timeoutMs, faultShare);
    if (fault) this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
    if (fault === "unsent") throw Object.assign(new Error("connection refused"), { sent: false });
    if (fault === "lost-before") throw new Error("connection reset");
    if (fault === "busy") return answer({ status: 429, body: "slow down" }, { "retry-after": "1" });
    if (fault === "foreign-404") return answer({ status: method === "GET" ? 404 : 503, body: "<html>" });
    if (fault === "status-before") return answer(error(this.#status(), "ServerException", "not now"));
    if (fault === "foreign-200") return answer({ status: 200, body: "<html>log in</html>" });
    if (fault === "conflict-before" && method === "POST")
      return answer(error(409, "CommitFailedException", "the table is locked"));
    // Only where nothing of the commit can be under way: a catalog checks the login first.
    if (fault === "login-ended") return answer(error(401, "NotAuthorizedException", "log in again"));
    const handled = this.#handleLater(method, path, text, { delayMs, fault });
    const isOver = new AbortController();
    const giveUp = (): void => isOver.abort();
    signal?.addEventListener("abort", giveUp);
    const timedOut = clock.sleep(timeoutMs, isOver.signal).then(() => undefined);
    const got = await Promise.race([handled, timedOut]);
    signal?.removeEventListener("abort", giveUp);
    isOver.abort();
    if (!got) throw new Error(`no answer within ${timeoutMs} ms`);
    if (fault === "lost-after") throw new Error("connection reset");
    if (fault === "status-after") return answer(error(this.#status(), "ServerException", "who knows"));
    if (fault === "conflict-after" && method === "POST")
      return answer(error(409, "CommitFailedException", "branch main has changed"));
    if (fault === "torn" && got.status === 200) return answer({ ...got, body: got.body.slice(0, got.body.length / 2) });
    return answer(got);
  }

  #faultOf(method: string, timeoutMs: number, faultShare: number): { fault: Fault | undefined; delayMs: number } {
    const { clock, random } = this.#options;
    const leftMs = this.#outage.untilMs - clock.nowMs();
    const laterMs = random() < 0.5 ? 0 : Math.floor(random() * 20_000);
    const isPost = method === "POST";
    if (leftMs > 0 && faultShare > 0) {
      const { kind } = this.#outage;
      if (kind === "locked" && isPost) return { fault: "conflict-before", delayMs: 0 };
      if (kind === "blind" && !isPost) return { fault: "lost-before", delayMs: 0 };
      if (kind === "away" && random() < 0.3) return { fault: "very-slow", delayMs: leftMs + laterMs };
      if (kind === "away") return { fault: random() < 0.5 ? "unsent" : "lost-before", delayMs: 0 };
    } else if (isPost && random() < OUTAGE_SHARE && faultShare > 0) {
      const kind = (["away", "locked", "blind"] as const)[Math.floor(random() * 3)]!;
      const lastsMs = Math.floor(random() * OUTAGE_MS_MAX);
      this.#outage = { kind, untilMs: clock.nowMs() + lastsMs };
      if (kind === "blind") return { fault: "middle", delayMs: 0 };
      return { fault: "very-slow", delayMs: lastsMs + laterMs };
    }
    const fault = random() < faultShare ? FAULTS[Math.floor(random() * FAULTS.length)] : undefined;
    if (fault === "slow") return { fault, delayMs: timeoutMs - 2 + Math.floor(random() * 4) };
    return { fault, delayMs: fault === "very-slow" ? Math.floor(random() * 90_000) : 0 };
  }

  #handleLater(
    method: string,
    path: string,
    body: string,
    { delayMs, fault }: { delayMs: number; fault: Fault | undefined },
  ): Promise<ModelAnswer> {
    const { catalog, clock, onApplied, random } = this.#options;
    const handled = clock.sleep(delayMs + Math.floor(random() * 10)).then(() => {
      catalog.nowMs = clock.nowMs();
      const upTo = fault === "middle" ? 1 : Infinity;
      const result = catalog.handle(method, path, body, upTo);
      onApplied();
      return result;
    });
    this.inFlight.add(handled);
    void handled.finally(() => this.inFlight.delete(handled));
    return handled;
  }

  #status(): number {
    return STATUSES[Math.floor(this.#options.random() * STATUSES.length)]!;
  }
}

const answer = ({ status, body }: ModelAnswer, headers: Record<string, string> = {}): CatalogAnswer => ({
  status,
  headers,
  body: Buffer.from(body),
});
