import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../lib/clock.ts";
import { TributaryError, type ErrorCode } from "../../lib/errors.ts";
import type { Call, CallDetail } from "../support/memory-event-log.ts";
import { seededRandom } from "../support/random.ts";

/** Probabilities of faults per call (from 0 to 1), and their limits per schedule. */
export interface FaultProfile {
  /** The process dies, before or after the effect. */
  crash: number;
  /** The call fails without an effect. */
  fail: number;
  /** The call fails after its effect. */
  unknown: number;
  /** The call fails and has its effect later. */
  late: number;
  /** Share of the pending calls of a dying process that still have their effect. */
  survive: number;
  /** Share of calls that are delayed by up to STALL_STEPS_MAX steps while all others continue. */
  stall: number;
  /** Probability that virtual time advances although a step is possible. */
  slow: number;
  faultsMax: number;
}

export const CALM: FaultProfile = {
  crash: 0,
  fail: 0,
  unknown: 0,
  late: 0,
  survive: 0,
  stall: 0,
  slow: 0.02,
  faultsMax: 0,
};

/** A process of the simulation. Once dead, its calls get no response and its timers do not fire. */
export interface SimNode {
  readonly name: string;
  dead: boolean;
  /** Resolves when it dies. */
  readonly died: Promise<void>;
  readonly die: () => void;
}

/** Approximate number of trace steps to keep. */
const TRACE_MAX = 20_000;
const STALL_STEPS_MAX = 200;

interface Pending {
  node: SimNode;
  what: string;
  /** True for an effect on the world, false for a result that a process receives. */
  effect: boolean;
  run: () => void;
  /** Not chosen before this step, unless no other step is possible. */
  notBefore?: number;
}

interface Timer {
  node: SimNode;
  atMs: number;
  seq: number;
  ring: () => void;
}

/** Errors of a port's calls by method: `fail` without an effect, `unknown` with a possible effect. */
export type FaultCodes = (method: string) => { fail?: readonly ErrorCode[]; unknown?: readonly ErrorCode[] };

/**
 * Runs all interactions between processes one step at a time, in an order that the seed determines. Each port
 * call waits for its effect, then its caller waits for the result. Between two steps the processes' code runs
 * until all of it waits.
 */
export class Scheduler {
  readonly random: () => number;
  profile: FaultProfile = CALM;
  faults = 0;
  steps = 0;
  /** The steps, for the trace of a failing schedule. */
  readonly trace: string[] = [];
  readonly onDeath: ((node: SimNode) => void)[] = [];
  diskFull = false;
  #pending: Pending[] = [];
  #timers: Timer[] = [];
  #monotonicMs = 0;
  #wallOffsetMs = Date.UTC(2024, 0, 15, 12);
  #seq = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  integer(below: number): number {
    return Math.floor(this.random() * below);
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.integer(from.length)]!;
  }

  node(name: string): SimNode {
    let die!: () => void;
    const died = new Promise<void>((resolve) => (die = resolve));
    const node: SimNode = { name, dead: false, died, die: () => this.#kill(node, die) };
    return node;
  }

  /** Sets the wall clock; the monotonic clock does not advance. */
  jump(ms: number): void {
    this.#note(`the clock jumps by ${ms} ms`);
    this.#wallOffsetMs += ms;
  }

  clockOf(node: SimNode): Clock {
    return {
      nowMs: () => this.#wallOffsetMs + Math.floor(this.#monotonicMs),
      monotonicMs: () => this.#monotonicMs,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve();
          const ring = (): void => {
            signal?.removeEventListener("abort", stop);
            resolve();
          };
          const timer = { node, atMs: this.#monotonicMs + ms, seq: this.#seq++, ring };
          const stop = (): void => {
            this.#timers = this.#timers.filter((other) => other !== timer);
            resolve();
          };
          this.#timers.push(timer);
          signal?.addEventListener("abort", stop, { once: true });
        }),
    };
  }

  /** The call function of `node`. */
  callerOf(node: SimNode, faultsOf: FaultCodes): Call {
    return <T>(method: string, effect: () => T | Promise<T>, detail?: CallDetail) =>
      new Promise<T>((resolve, reject) => {
        const what = `${node.name} ${method} ${detail?.topic ?? ""}`;
        const run = (): void => {
          // A member that stays silent is removed from its group again.
          if (node.dead && method === "consume") return;
          this.#meet({ node, what, codes: faultsOf(method), effect, resolve, reject });
        };
        this.#add({ node, what, effect: true, run });
      });
  }

  #meet<T>(call: {
    node: SimNode;
    what: string;
    codes: ReturnType<FaultCodes>;
    effect: () => T | Promise<T>;
    resolve: (value: T) => void;
    reject: (thrown: unknown) => void;
  }): void {
    const { node, what, codes, effect, resolve, reject } = call;
    const answer = (give: () => void): void => this.#add({ node, what: `${what} answered`, effect: false, run: give });
    const fail = (code: ErrorCode): void => {
      this.#note(`${what} → ${code}`);
      answer(() => reject(new TributaryError(code, `simulated: ${what}`)));
    };
    const apply = (then: () => void): void => {
      void (async () => effect())().then(
        (value) => {
          then();
          answer(() => resolve(value));
        },
        (thrown: unknown) => answer(() => reject(thrown)),
      );
    };
    if (node.dead) return void (async () => effect())().catch(() => undefined);
    if (this.diskFull && codes.fail?.includes("DISK_FULL")) return fail("DISK_FULL");
    const { crash, fail: failing, unknown, late } = this.profile;
    const dice = this.faults < this.profile.faultsMax ? this.random() : 1;
    const among = (...shares: number[]): number => shares.findIndex((_, i) => dice < sum(shares.slice(0, i + 1)));
    const kind = among(crash / 2, crash / 2, failing, unknown, late);
    if (kind >= 0) this.faults++;
    if (kind === 0) return node.die();
    if (kind === 1) {
      return apply(() => {
        this.#note(`${what} had its effect`);
        node.die();
      });
    }
    if (kind === 2 && codes.fail) return fail(this.pick(codes.fail));
    if (kind === 3 && codes.unknown) {
      const code = this.pick(codes.unknown);
      return void (async () => effect())().then(
        () => fail(code),
        (thrown: unknown) => answer(() => reject(thrown)),
      );
    }
    if (kind === 4 && codes.unknown) {
      this.#add({
        node,
        what: `${what} late`,
        effect: true,
        run: () => void (async () => effect())().catch(() => undefined),
      });
      return fail(this.pick(codes.unknown));
    }
    apply(() => undefined);
  }

  #add(pending: Pending): void {
    if (pending.node.dead) return;
    if (pending.effect && this.chance(this.profile.stall)) {
      pending.notBefore = this.steps + this.integer(STALL_STEPS_MAX);
    }
    this.#pending.push(pending);
  }

  #kill(node: SimNode, resolve: () => void): void {
    if (node.dead) return;
    node.dead = true;
    this.#note(`${node.name} dies`);
    this.#timers = this.#timers.filter((timer) => timer.node !== node);
    const { survive } = this.profile;
    this.#pending = this.#pending.filter((one) => one.node !== node || (one.effect && this.chance(survive)));
    resolve();
    for (const listener of this.onDeath) listener(node);
  }

  /**
   * Runs one step: a call has its effect, a process receives a result, or time advances. False if no step is
   * left.
   */
  async step(): Promise<boolean> {
    await nextTurn();
    for (let idle = 0; idle < 3 && this.#pending.length === 0; idle++) await nextTurn();
    this.steps++;
    const waits = this.#pending.length > 0 && !(this.#timers.length > 0 && this.chance(this.profile.slow));
    if (waits) {
      const free = this.#pending.filter(({ notBefore = 0 }) => notBefore <= this.steps);
      const chosen = this.pick(free.length > 0 ? free : this.#pending);
      this.#pending.splice(this.#pending.indexOf(chosen), 1);
      this.#note(chosen.what);
      chosen.run();
      return true;
    }
    return this.#passTime();
  }

  #passTime(): boolean {
    if (this.#timers.length === 0) return false;
    const [next] = this.#timers.toSorted((a, b) => a.atMs - b.atMs || a.seq - b.seq);
    this.#timers = this.#timers.filter((timer) => timer !== next);
    this.#monotonicMs = Math.max(this.#monotonicMs, next!.atMs);
    this.#note(`${next!.node.name}: ${Math.round(this.#monotonicMs)} ms`);
    next!.ring();
    return true;
  }

  #note(what: string): void {
    this.trace.push(`${this.steps} ${what}`);
    if (this.trace.length > TRACE_MAX) this.trace.splice(0, TRACE_MAX / 2);
  }

  note(what: string): void {
    this.#note(`— ${what}`);
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
