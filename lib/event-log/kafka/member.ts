import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import { topicPartitionName, type TopicPartition } from "../groups/assignment.ts";
import type { Broker, KafkaConnection } from "./connection.ts";
import { isFenced, isMoving, isRebalancing, kafkaError } from "./errors.ts";
import { assignGeneration, decodeAssignment, encodeAssignment, encodeJoin, PROTOCOL_NAME } from "./protocol.ts";

const SESSION_MS = 10_000;
const REBALANCE_MS = 15_000;
const HEARTBEAT_MS = 400;
/**
 * Pauses between two looks for new topics. Of many topics a look takes long: it may take a hundredth of the
 * time.
 */
const LOOK_MS_MIN = 100;
const LOOK_MS_MAX = 800;
const PAUSE_FACTOR = 100;
const RETRY_MS = 300;
const LEAVE_MS_MAX = 3_000;
const COMMIT_ATTEMPTS_MAX = 8;

export interface KafkaMemberOptions {
  group: string;
  connection: KafkaConnection;
  clock: Clock;
  /** The current topics to read. */
  topics: () => Promise<string[]>;
  /** `topics` is called repeatedly, because the topics to read may change. */
  topicsChange: boolean;
  /** The partitions that the member holds, as topicPartitionName. */
  owned: () => string[];
  /** The member now owns exactly these. Work on all other partitions must have ended when this returns. */
  assigned: (partitions: readonly TopicPartition[]) => void;
  onError: (thrown: unknown) => void;
}

interface Generation {
  id: number;
  coordinator: Broker;
}

/** The generation part of a request to the coordinator. */
interface GenerationOfMember {
  groupId: string;
  groupGenerationId: number;
  memberId: string;
}

/**
 * Membership in a consumer group, independent of reading: heartbeats continue whatever the handlers do.
 * Rebalances are cooperative (see protocol.ts): the member keeps its partitions during a rebalance, and acks
 * wait until it ends. A member that the group has removed, or that has not reached its coordinator for
 * SESSION_MS, owns nothing.
 */
export class KafkaMember {
  readonly #options: KafkaMemberOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #memberId = "";
  #generation: Generation | undefined;
  #lastGenerationId = -1;
  #topics: string[] = [];
  #draining = false;
  #lastContactMs: number;
  /** Abort it to end the pause between two heartbeats. */
  #pause = new AbortController();
  #mustRejoin = false;
  readonly #waiting = new Set<() => void>();

  constructor(options: KafkaMemberOptions) {
    this.#options = options;
    this.#lastContactMs = options.clock.monotonicMs();
    this.#running = this.#run();
  }

  /** Resolves when the member has joined a generation or has left. */
  async settled(): Promise<void> {
    while (!this.#generation && !this.#stopping.signal.aborted) await this.#change();
  }

  /** Keeps its partitions and receives no new ones. */
  drain(): void {
    this.#draining = true;
  }

  /** Leaves the group. Idempotent. */
  async leave(): Promise<void> {
    this.#stopping.abort();
    this.#pause.abort();
    this.#notify();
    const left = new AbortController();
    const running = this.#running.finally(() => left.abort());
    await Promise.race([running, this.#options.clock.sleep(LEAVE_MS_MAX, left.signal)]);
  }

  /**
   * Acks for the group in the generation current at the request. `isOwned` is called before every attempt.
   */
  async commit({ topic, partition }: TopicPartition, offset: number, isOwned: () => boolean): Promise<void> {
    await this.#asOwner({ topic, partition }, isOwned, "ack", (coordinator, generation) =>
      coordinator.offsetCommit({
        ...generation,
        topics: [{ topic, partitions: [{ partition, offset: String(offset) }] }],
      }),
    );
  }

  /**
   * See AssignedPartition.confirm. A partition has no other owner while this member's generation is current.
   */
  async confirm(owned: TopicPartition, isOwned: () => boolean): Promise<void> {
    await this.#asOwner(owned, isOwned, "confirm", (coordinator, generation) => coordinator.heartbeat(generation));
  }

  async #asOwner(
    { topic, partition }: TopicPartition,
    isOwned: () => boolean,
    verb: string,
    request: (coordinator: Broker, generation: GenerationOfMember) => Promise<unknown>,
  ): Promise<void> {
    const { group, clock, connection } = this.#options;
    for (let attempt = 1; ; attempt++) {
      // Wait for the end of a rebalance, or until this member loses the partition in it.
      while (!this.#generation && isOwned()) await this.#change();
      const generation = this.#generation;
      if (!isOwned() || !generation) {
        throw new TributaryError("ASSIGNMENT_LOST", `${topic}/${partition} is no longer assigned to this consumer`);
      }
      const { id: groupGenerationId, coordinator } = generation;
      try {
        await request(coordinator, { groupId: group, groupGenerationId, memberId: this.#memberId });
        return;
      } catch (thrown) {
        if (attempt >= COMMIT_ATTEMPTS_MAX) throw kafkaError(thrown, `cannot ${verb} ${topic}/${partition}`);
        if (isFenced(thrown) || isRebalancing(thrown)) this.#rejoin(generation);
        else {
          await clock.sleep(RETRY_MS * attempt, this.#stopping.signal);
          generation.coordinator = await connection.coordinator(group);
        }
      }
    }
  }

  /** The generation is over. Ends the heartbeat pause, so that the heartbeat loop finds out why. */
  #rejoin(generation: Generation): void {
    if (this.#generation !== generation) return;
    this.#generation = undefined;
    this.#pause.abort();
  }

  async #run(): Promise<void> {
    const { clock, onError } = this.#options;
    const { signal } = this.#stopping;
    // Start in the next turn, after the caller's constructor has finished.
    await nextTurn();
    while (!signal.aborted) {
      try {
        const generation = await this.#join();
        if (generation && !this.#mustRejoin) await this.#heartbeats(generation);
      } catch (thrown) {
        if (signal.aborted) break;
        if (isFenced(thrown)) {
          this.#memberId = "";
          this.#revokeAll();
        } else if (!isRebalancing(thrown)) {
          const isSessionOver = clock.monotonicMs() - this.#lastContactMs > SESSION_MS;
          if (isSessionOver || !isMoving(thrown)) {
            onError(kafkaError(thrown, `cannot reach the coordinator of group ${this.#options.group}`));
          }
          if (isSessionOver) this.#revokeAll();
          await clock.sleep(RETRY_MS, signal);
        }
      }
      this.#generation = undefined;
    }
    await this.#leaveGroup();
    this.#revokeAll();
  }

  /** The group has removed this member, or may have. */
  #revokeAll(): void {
    this.#lastGenerationId = -1;
    this.#options.assigned([]);
    this.#notify();
  }

  async #join(): Promise<Generation | undefined> {
    const { group, connection, owned, assigned } = this.#options;
    this.#mustRejoin = false;
    this.#topics = await this.#options.topics();
    const coordinator = await connection.coordinator(group);
    const claims = owned();
    const joined = await this.#inSession(
      coordinator.joinGroup({
        groupId: group,
        sessionTimeout: SESSION_MS,
        rebalanceTimeout: REBALANCE_MS,
        memberId: this.#memberId,
        groupProtocols: [{ name: PROTOCOL_NAME, metadata: this.#joinRequest(claims) }],
      }),
      REBALANCE_MS,
    );
    this.#memberId = joined.memberId;
    if (this.#stopping.signal.aborted) return undefined;
    const isLeader = joined.leaderId === joined.memberId;
    const given = isLeader
      ? assignGeneration(joined.members, await connection.topics())
      : new Map<string, TopicPartition[]>();
    const { memberAssignment } = await this.#inSession(
      coordinator.syncGroup({
        groupId: group,
        generationId: joined.generationId,
        memberId: joined.memberId,
        groupAssignment: [...given].map(([memberId, partitions]) => ({
          memberId,
          memberAssignment: encodeAssignment(partitions),
        })),
      }),
      REBALANCE_MS,
    );
    const partitions = decodeAssignment(memberAssignment);
    if (this.#stopping.signal.aborted) return undefined;
    this.#lastGenerationId = joined.generationId;
    const names = new Set(partitions.map(topicPartitionName));
    // A revoked partition becomes free for other members when this member joins again without it.
    this.#mustRejoin = claims.some((name) => !names.has(name));
    assigned(partitions);
    this.#generation = { id: joined.generationId, coordinator };
    this.#notify();
    return this.#generation;
  }

  #joinRequest(claims: readonly string[]): Buffer {
    const [topics, draining, generation] = [this.#topics, this.#draining, this.#lastGenerationId];
    return encodeJoin({ topics, owned: claims, generation, draining });
  }

  /** Runs until a rebalance (thrown), a change of the topics, or a commit that finds the generation over. */
  async #heartbeats(generation: Generation): Promise<void> {
    const { clock, group } = this.#options;
    const beginsMs = clock.monotonicMs();
    let beatAtMs = beginsMs + HEARTBEAT_MS;
    let lookAtMs = this.#options.topicsChange ? beginsMs + LOOK_MS_MIN : Infinity;
    while (!this.#stopping.signal.aborted) {
      this.#pause = new AbortController();
      const restMs = Math.max(0, Math.min(beatAtMs, lookAtMs) - clock.monotonicMs());
      if (this.#generation === generation) await clock.sleep(restMs, this.#pause.signal);
      if (this.#stopping.signal.aborted) return;
      if (this.#generation !== generation || clock.monotonicMs() >= beatAtMs) {
        const beat = { groupId: group, groupGenerationId: generation.id, memberId: this.#memberId };
        await this.#inSession(generation.coordinator.heartbeat(beat), SESSION_MS);
        beatAtMs = clock.monotonicMs() + HEARTBEAT_MS;
      }
      if (this.#generation !== generation) return;
      if (this.#draining) lookAtMs = Infinity;
      if (clock.monotonicMs() < lookAtMs) continue;
      const startedMs = clock.monotonicMs();
      const topics = await this.#options.topics();
      const endedMs = clock.monotonicMs();
      lookAtMs = endedMs + Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, PAUSE_FACTOR * (endedMs - startedMs)));
      if (topics.length !== this.#topics.length || topics.some((topic) => !this.#topics.includes(topic))) return;
    }
  }

  /** Awaits a response of the coordinator. One within `withinMs` proves that the session is alive. */
  async #inSession<T>(answer: Promise<T>, withinMs: number): Promise<T> {
    const { clock } = this.#options;
    const over = new AbortController();
    const late = clock.sleep(withinMs, over.signal).then((): never => {
      throw new TributaryError("LOG_UNAVAILABLE", `the coordinator did not respond within ${withinMs} ms`);
    });
    late.catch(() => undefined);
    try {
      const result = await Promise.race([answer, late]);
      this.#lastContactMs = clock.monotonicMs();
      return result;
    } finally {
      over.abort();
    }
  }

  async #leaveGroup(): Promise<void> {
    if (this.#memberId === "") return;
    const { connection, group } = this.#options;
    try {
      const coordinator = await connection.coordinator(group);
      await coordinator.leaveGroup({ groupId: group, memberId: this.#memberId });
    } catch {
      // The group removes this member when its session expires.
    }
  }

  /** Resolves when the member has joined a generation or has lost what it owned. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #notify(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
