import { isBroken } from "./requirements.ts";
import type { TableChange } from "./request.ts";
import { reachesBackTo, type TableState } from "./table-state.ts";

/**
 * Makes the outcome of one commit definite: a pure state machine. Each step says what to do next;
 * `onAnswer`, `onSight` and `onDeadline` take what came of it.
 *
 * The same change is sent again until the catalog accepts or refuses it. That is safe where a change names
 * the snapshot that its branch must have: once applied, it can never be applied again. After a refusal the
 * tables are loaded, since the catalog may refuse what it has itself applied before.
 *
 * An attempt without an answer may still be on its way, however long ago it was sent. So a change counts as
 * not applied only if it can no longer be: no attempt is without an answer, or the table has moved on.
 *
 * A snapshot that is not in its table may have been there and expired, if the process was paused for long.
 * The branch's history shows it: where it reaches back to the snapshot that the change builds on, the change
 * is not in it.
 */

/** What a catalog's answer to a commit says. */
export type Answer =
  /** 2xx. */
  | { readonly kind: "accepted" }
  /** A definite no: 409, another 4xx, 501. */
  | { readonly kind: "refused"; readonly status: number; readonly message: string }
  /** Not applied, but not for good: no connection, 429. */
  | { readonly kind: "away"; readonly message: string; readonly waitMs?: number | undefined }
  /** No answer, a torn one, or 5xx: nobody knows. */
  | { readonly kind: "lost"; readonly message: string };

/** What loading a table gave. */
export type Sight = TableState | "missing" | "unavailable";

export type Outcome =
  /** Every change is in its table. */
  | { readonly kind: "committed"; readonly committed: readonly string[] }
  /** Nothing was applied, nor can be any more. */
  | { readonly kind: "refused"; readonly status: number; readonly message: string }
  /**
   * The catalog could not be reached in time. Nothing was applied, nor can be any more; only a change
   * without a new snapshot, such as one of properties, may have been.
   */
  | { readonly kind: "unavailable"; readonly message: string }
  /** Some tables have their change. `missing`: have it not, and `isFinal`: cannot get it any more. */
  | {
      readonly kind: "partial";
      readonly committed: readonly string[];
      readonly missing: readonly string[];
      readonly isFinal: boolean;
      readonly message: string;
    }
  /** Nothing is known to be applied, and some or all may be, now or later. */
  | { readonly kind: "unknown"; readonly message: string };

export type Action =
  | { readonly do: "send" | "look"; readonly changes: readonly TableChange[]; readonly waitMs: number }
  | { readonly do: "finish"; readonly outcome: Outcome };

export interface CommitState {
  /** Changes that are neither known to be applied nor known to be impossible. */
  readonly open: readonly TableChange[];
  /** Keys of tables that have their change. */
  readonly committed: readonly string[];
  /** Keys of tables whose change has become impossible, after others were applied. */
  readonly missing: readonly string[];
  /** An attempt has no answer, so that it may be applied later. */
  readonly inDoubt: boolean;
  /** The catalog has refused, and what it may have applied before has not been looked for. */
  readonly unseen: boolean;
  /** Tries in a row that failed: the wait before the next grows with them. */
  readonly failures: number;
  /** Refusals for which no table shows a reason. */
  readonly unexplained: number;
  readonly refusal: { readonly status: number; readonly message: string } | undefined;
  readonly message: string;
}

export interface OutcomeOptions {
  /** The catalog applies a commit of several tables as a whole or not at all. */
  isAtomic: boolean;
}

type Step = readonly [CommitState, Action];

const WAIT_MS_MIN = 50;
const WAIT_MS_MAX = 2_000;
/** Refusals without a visible reason after which the catalog is believed, unless an attempt is in doubt. */
const UNEXPLAINED_MAX = 3;

/** Longest first wait of a catalog that names one (Retry-After). */
const NAMED_WAIT_MS_MAX = 10_000;

/** A change that adds no snapshot: no data file depends on it, so a failure may be told at any time. */
const isHarmless = (changes: readonly TableChange[]): boolean => changes.every(({ evidence }) => !evidence);

export function start(changes: readonly TableChange[]): Step {
  const state: CommitState = {
    open: changes,
    committed: [],
    missing: [],
    inDoubt: false,
    unseen: false,
    failures: 0,
    unexplained: 0,
    refusal: undefined,
    message: "not sent",
  };
  return [state, { do: "send", changes, waitMs: 0 }];
}

/** After `send`. */
export function onAnswer(state: CommitState, answer: Answer): Step {
  switch (answer.kind) {
    case "accepted":
      return finish({ ...state, open: [], committed: [...state.committed, ...keysOf(state.open)] });
    case "away": {
      const [failed, action] = again({ ...state, message: answer.message });
      const waitMs = Math.min(Math.max(action.waitMs, answer.waitMs ?? 0), NAMED_WAIT_MS_MAX);
      return [failed, { ...action, waitMs }];
    }
    case "lost":
      return again({ ...state, inDoubt: true, message: answer.message });
    case "refused": {
      const { status, message } = answer;
      const refused = { ...state, refusal: { status, message }, message };
      if (isHarmless(state.open) || isDefinite(state, status)) return giveUp(refused);
      return [
        { ...refused, unseen: true },
        { do: "look", changes: state.open, waitMs: 0 },
      ];
    }
  }
}

/** After `look`: what each open change's table shows, in their order. */
export function onSight(state: CommitState, sights: readonly Sight[], options: OutcomeOptions): Step {
  const seen = state.open.map((change, index) => ({ change, sight: sights[index] ?? "unavailable" }));
  const present = seen.filter(({ change, sight }) => isPresent(change, sight)).map(({ change }) => change);
  const absent = seen.filter(({ change }) => !present.includes(change));
  const found = {
    ...state,
    open: absent.map(({ change }) => change),
    committed: [...state.committed, ...keysOf(present)],
  };
  if (absent.length === 0) return finish(found);
  if (absent.some(({ sight }) => sight === "unavailable")) return lookAgain(found);
  const broken = absent.filter(({ change, sight }) => isImpossible(change, sight)).map(({ change }) => change);
  const cut = absent.find(({ change, sight }) => broken.includes(change) && mayHaveExpired(change, sight));
  if (cut) return [found, { do: "finish", outcome: { kind: "unknown", message: expiredMessage(cut.change) } }];
  const possible = found.open.filter((change) => !broken.includes(change));
  const looked = { ...found, unseen: false };
  if (looked.committed.length > 0) return onPartial(looked, broken, possible);
  if (broken.length > 0) {
    // One impossible change stops the whole, also an attempt that is on its way.
    return options.isAtomic || possible.length === 0 || !looked.inDoubt ? giveUp(looked) : lookAgain(looked);
  }
  return unexplained(looked);
}

/** When no more time is left, or the process must stop. */
export function onDeadline(state: CommitState): Outcome {
  const { message } = state;
  if (state.committed.length > 0) return finish(state)[1].outcome;
  if (isHarmless(state.open)) return { kind: "unavailable", message };
  return state.inDoubt || state.unseen ? { kind: "unknown", message } : { kind: "unavailable", message };
}

/** Some tables have their change: the catalog is not atomic. The rest is committed where it still can be. */
function onPartial(state: CommitState, broken: readonly TableChange[], possible: readonly TableChange[]): Step {
  const parted = { ...state, open: possible, missing: [...state.missing, ...keysOf(broken)] };
  return possible.length === 0 ? finish(parted) : unexplained(parted);
}

/** No table shows why the catalog refuses: it is asked again. */
function unexplained(state: CommitState): Step {
  const asked = { ...state, unexplained: state.unexplained + 1 };
  return asked.unexplained > UNEXPLAINED_MAX && !asked.inDoubt ? giveUp(asked) : again(asked);
}

/** Answers of a catalog that does not know the caller: it does nothing for him. 419: the login has ended. */
const UNKNOWN_CALLER = new Set([401, 419]);

/**
 * True if a refusal alone says that nothing was applied. 409 does not: some catalogs refuse what they did.
 */
const isDefinite = ({ open, inDoubt }: CommitState, status: number): boolean =>
  !inDoubt && (UNKNOWN_CALLER.has(status) || (open.length === 1 && status !== 409));

const keysOf = (changes: readonly TableChange[]): string[] => changes.map(({ key }) => key);

function isPresent({ evidence }: TableChange, sight: Sight): boolean {
  if (typeof sight === "string" || evidence === undefined) return false;
  return "snapshotId" in evidence ? sight.snapshots.has(evidence.snapshotId) : sight.uuid === evidence.tableUuid;
}

const isImpossible = ({ requirements }: TableChange, sight: Sight): boolean =>
  sight !== "unavailable" &&
  requirements.some((requirement) => isBroken(requirement, sight === "missing" ? undefined : sight));

const expiredMessage = ({ key }: TableChange): string =>
  `the history of ${key} does not reach back to the commit: its snapshot may have expired`;

/** True if the branch's history ends before the snapshot that the change builds on. */
function mayHaveExpired({ evidence, requirements }: TableChange, sight: Sight): boolean {
  if (typeof sight === "string" || evidence === undefined || !("snapshotId" in evidence)) return false;
  // Another table of the same name never had the change.
  if (requirements.some((one) => one.type === "assert-table-uuid" && isBroken(one, sight))) return false;
  return requirements.some(
    (one) => one.type === "assert-ref-snapshot-id" && !reachesBackTo(sight, one.ref, one.snapshotId),
  );
}

const waitAfter = (failures: number): number => Math.min(WAIT_MS_MAX, WAIT_MS_MIN * 2 ** (failures - 1));

function again(state: CommitState): readonly [CommitState, Extract<Action, { waitMs: number }>] {
  const failures = state.failures + 1;
  return [
    { ...state, failures },
    { do: "send", changes: state.open, waitMs: waitAfter(failures) },
  ];
}

function lookAgain(state: CommitState): Step {
  const failures = state.failures + 1;
  return [
    { ...state, failures },
    { do: "look", changes: state.open, waitMs: waitAfter(failures) },
  ];
}

/** What is open has become impossible. */
function giveUp(state: CommitState): Step {
  const { open, missing, committed, refusal, message } = state;
  if (committed.length > 0) return finish({ ...state, open: [], missing: [...missing, ...keysOf(open)] });
  return [state, { do: "finish", outcome: { kind: "refused", ...(refusal ?? { status: 409, message }) } }];
}

function finish(state: CommitState): readonly [CommitState, Extract<Action, { do: "finish" }>] {
  const { committed, open, message } = state;
  const missing = [...state.missing, ...keysOf(open)];
  if (missing.length === 0) return [state, { do: "finish", outcome: { kind: "committed", committed } }];
  const isFinal = open.length === 0;
  return [state, { do: "finish", outcome: { kind: "partial", committed, missing, isFinal, message } }];
}
