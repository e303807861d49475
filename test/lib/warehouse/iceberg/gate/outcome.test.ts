import assert from "node:assert/strict";
import { test } from "node:test";
import {
  onAnswer,
  onDeadline,
  onSight,
  start,
  type Action,
  type Answer,
  type CommitState,
  type Outcome,
  type Sight,
} from "../../../../../lib/warehouse/iceberg/gate/outcome.ts";
import type { Requirement } from "../../../../../lib/warehouse/iceberg/gate/requirements.ts";
import type { TableChange } from "../../../../../lib/warehouse/iceberg/gate/request.ts";
import type { TableState } from "../../../../../lib/warehouse/iceberg/gate/table-state.ts";

const BASE = "1";
const OTHERS = "9";
const change = (key: string, evidence: TableChange["evidence"] = { snapshotId: `new-${key}` }): TableChange => ({
  key,
  loadPath: `/${key}`,
  text: "{}",
  requirements: [{ type: "assert-ref-snapshot-id", ref: "main", snapshotId: BASE }],
  evidence,
  snapshots: [],
});
const table = (main: string, ...ids: string[]): TableState => ({
  uuid: "u",
  refs: new Map([["main", main]]),
  snapshots: new Map([BASE, ...ids].map((id) => [id, { id, parentId: undefined, timestampMs: 0, summary: new Map() }])),
  numbers: new Map(),
});
/** As the writer left it, with its snapshot, and after somebody else's commit. */
const UNCHANGED = table(BASE);
const holding = (key: string): TableState => table(OTHERS, `new-${key}`, OTHERS);
const MOVED = table(OTHERS, OTHERS);

const LOST: Answer = { kind: "lost", message: "reset" };
const CONFLICT: Answer = { kind: "refused", status: 409, message: "branch main has changed" };
const refused = (status: number): Answer => ({ kind: "refused", status, message: "no" });

/** Plays what happens: answers, and what is seen of the open changes' tables. */
function play(
  changes: readonly TableChange[],
  happenings: readonly (Answer | Sight[])[],
  isAtomic = false,
): { state: CommitState; action: Action } {
  let [state, action] = start(changes);
  for (const happening of happenings) {
    const isLook = Array.isArray(happening);
    assert.equal(action.do, isLook ? "look" : "send");
    [state, action] = isLook ? onSight(state, happening, { isAtomic }) : onAnswer(state, happening);
  }
  return { state, action };
}
const outcomeOf = (...parameters: Parameters<typeof play>): Outcome => {
  const { action } = play(...parameters);
  assert.equal(action.do, "finish");
  return action.outcome;
};
const [a, b] = [change("a"), change("b")];

test("an accepted commit is committed", () => {
  assert.deepEqual(outcomeOf([a, b], [{ kind: "accepted" }]), { kind: "committed", committed: ["a", "b"] });
});

test("a commit without an answer is sent again, later and later", () => {
  const waits: number[] = [];
  let [state, action] = start([a]);
  for (let n = 0; n < 9; n++) {
    [state, action] = onAnswer(state, LOST);
    assert.ok(action.do === "send" && action.changes[0] === a);
    waits.push(action.waitMs);
  }
  assert.deepEqual(waits, [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
});

test("a conflict with our own snapshot is success, also if the catalog never lost an answer", () => {
  assert.equal(outcomeOf([a], [LOST, CONFLICT, [holding("a")]]).kind, "committed");
  assert.equal(outcomeOf([a], [CONFLICT, [holding("a")]]).kind, "committed");
});

test("a conflict without our snapshot, on a table that moved on, is a conflict", () => {
  for (const happenings of [[CONFLICT], [LOST, CONFLICT]])
    for (const sight of [MOVED, "missing" as const])
      assert.deepEqual(outcomeOf([a], [...happenings, [sight]]), {
        kind: "refused",
        status: 409,
        message: "branch main has changed",
      });
});

test("a conflict on a table whose history does not reach back to the base stays unknown: ours may have expired", () => {
  const newer = { id: OTHERS, parentId: "8", timestampMs: 0, summary: new Map<string, string>() };
  const cut: TableState = { ...MOVED, snapshots: new Map([[OTHERS, newer]]) };
  for (const happenings of [[CONFLICT], [LOST, CONFLICT]])
    for (const isAtomic of [false, true]) {
      const outcome = outcomeOf([a], [...happenings, [cut]], isAtomic);
      assert.equal(outcome.kind, "unknown");
      assert.match("message" in outcome ? outcome.message : "", /history of a does not reach back/);
    }
  const whole: TableState = { ...cut, snapshots: new Map([[OTHERS, { ...newer, parentId: BASE }]]) };
  assert.equal(outcomeOf([a], [LOST, CONFLICT, [whole]]).kind, "refused");
});

test("a conflict on a table that has not moved is asked again: an attempt may still run", () => {
  const { action, state } = play([a], [LOST, CONFLICT, [UNCHANGED]]);
  assert.equal(action.do, "send");
  assert.equal(onDeadline(state).kind, "unknown");
});

test("a catalog that keeps refusing without a visible reason is believed, unless an attempt has no answer", () => {
  const refusal = [CONFLICT, [UNCHANGED]];
  const four = [refusal, refusal, refusal, refusal].flat();
  assert.equal(outcomeOf([a], four).kind, "refused");
  assert.equal(play([a], [LOST, ...four]).action.do, "send");
});

test("another refusal of one table is final, unless an attempt has no answer", () => {
  for (const status of [400, 403, 404, 501]) {
    assert.deepEqual(outcomeOf([a], [refused(status)]), { kind: "refused", status, message: "no" });
    assert.equal(outcomeOf([a], [LOST, refused(status), [holding("a")]]).kind, "committed");
    assert.equal(play([a], [LOST, refused(status), [UNCHANGED]]).action.do, "send");
  }
});

test("another refusal of several tables is looked at: the catalog may have applied some", () => {
  assert.equal(play([a, b], [refused(404)]).action.do, "look");
  assert.equal(outcomeOf([a, b], [refused(404), [holding("a"), "missing"]]).kind, "partial");
  assert.equal(outcomeOf([a, b], [refused(404), [MOVED, "missing"]]).kind, "refused");
});

test("a catalog that does not know the caller has done nothing", () => {
  for (const status of [401, 419]) {
    assert.equal(outcomeOf([a, b], [refused(status)]).kind, "refused");
    assert.equal(play([a, b], [LOST, refused(status)]).action.do, "look");
  }
});

test("a table that cannot be loaded is loaded again", () => {
  const { action, state } = play([a, b], [LOST, CONFLICT, [holding("a"), "unavailable"]]);
  assert.ok(action.do === "look" && action.waitMs > 0);
  assert.deepEqual(action.changes, [b]);
  assert.deepEqual(onDeadline(state), {
    kind: "partial",
    committed: ["a"],
    missing: ["b"],
    isFinal: false,
    message: "branch main has changed",
  });
});

test("what a catalog has left out is committed alone", () => {
  const { action } = play([a, b], [LOST, CONFLICT, [holding("a"), UNCHANGED]]);
  assert.ok(action.do === "send");
  assert.deepEqual(action.changes, [b]);
  const done = outcomeOf([a, b], [LOST, CONFLICT, [holding("a"), UNCHANGED], { kind: "accepted" }]);
  assert.deepEqual(done, { kind: "committed", committed: ["a", "b"] });
});

test("what can no longer be committed is named, and the rest is committed", () => {
  const c = change("c");
  const looked = [LOST, CONFLICT, [holding("a"), MOVED, UNCHANGED]];
  const { action } = play([a, b, c], looked);
  assert.ok(action.do === "send");
  assert.deepEqual(action.changes, [c]);
  assert.deepEqual(outcomeOf([a, b, c], [...looked, { kind: "accepted" }]), {
    kind: "partial",
    committed: ["a", "c"],
    missing: ["b"],
    isFinal: true,
    message: "branch main has changed",
  });
  const refusedRest = outcomeOf([a, b], [CONFLICT, [holding("a"), UNCHANGED], refused(403)]);
  assert.ok(refusedRest.kind === "partial" && refusedRest.isFinal);
});

test("one impossible change stops the whole only where the catalog is atomic or every attempt was answered", () => {
  const sight: Sight[] = [UNCHANGED, MOVED];
  assert.equal(outcomeOf([a, b], [CONFLICT, sight]).kind, "refused");
  assert.equal(outcomeOf([a, b], [LOST, CONFLICT, sight], true).kind, "refused");
  const { action, state } = play([a, b], [LOST, CONFLICT, sight]);
  assert.equal(action.do, "look");
  assert.equal(onDeadline(state).kind, "unknown");
});

test("a catalog that is away has nothing: at the deadline the commit failed for certain", () => {
  const away: Answer = { kind: "away", message: "connection refused" };
  assert.deepEqual(onDeadline(play([a, b], [away, away]).state), {
    kind: "unavailable",
    message: "connection refused",
  });
  assert.equal(onDeadline(play([a], [away, LOST, away]).state).kind, "unknown");
});

test("a catalog that names a wait gets it, within bounds", () => {
  const wait = (waitMs: number): number => {
    const { action } = play([a], [{ kind: "away", message: "429", waitMs }]);
    return (action as { waitMs: number }).waitMs;
  };
  assert.deepEqual([0, 3_000, 86_400_000].map(wait), [50, 3_000, 10_000]);
});

test("at the deadline a refusal that was not looked at leaves the outcome unknown", () => {
  assert.equal(onDeadline(play([a, b], [refused(400), ["unavailable", "unavailable"]]).state).kind, "unknown");
  assert.equal(onDeadline(play([a], [CONFLICT, ["unavailable"]]).state).kind, "unknown");
});

test("a new table is told from another's by its uuid", () => {
  const requirements: Requirement[] = [{ type: "assert-create" }];
  const created = { ...change("a", { tableUuid: "u" }), requirements };
  assert.equal(outcomeOf([created], [LOST, CONFLICT, [UNCHANGED]]).kind, "committed");
  assert.equal(outcomeOf([created], [LOST, CONFLICT, [{ ...UNCHANGED, uuid: "other" }]]).kind, "refused");
  assert.equal(play([created], [LOST, CONFLICT, ["missing"]]).action.do, "send");
});

test("a change without a new snapshot is repeated, and its failure may be told at any time", () => {
  const harmless: TableChange = { ...a, evidence: undefined };
  assert.equal(outcomeOf([harmless], [LOST, LOST, { kind: "accepted" }]).kind, "committed");
  assert.equal(outcomeOf([harmless], [LOST, CONFLICT]).kind, "refused");
  assert.equal(onDeadline(play([harmless], [LOST]).state).kind, "unavailable");
});
