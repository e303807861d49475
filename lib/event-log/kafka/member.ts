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
const TOPICS_MS = 800;
const RETRY_MS = 300;
const LEAVE_MS_MAX = 3_000;
const COMMIT_ATTEMPTS_MAX = 8;

export interface KafkaMemberOptions {
  group: string;
  connection: KafkaConnection;
  clock: Clock;
  /** The topics to read, now. Asked again and again. */
  topics: () => Promise<string[]>;
  /** What the member works on, as placeName. */
  owned: () => string[];
  /** The member now owns exactly these: what is new may begin, what is missing must have ended when this returns. */
  assigned: (places: readonly TopicPartition[]) => void;
  onError: (thrown: unknown) => void;
}

interface Generation {
  id: number;
  coordinator: Broker;
}

/** How a member says to its coordinator in which generation it speaks. */
interface GenerationOfMember {
  groupId: string;
  groupGenerationId: number;
  memberId: string;
}

/**
 * Membership in a consumer group, apart from any reading: heartbeats go on whatever handlers do. Rebalances are cooperative (see
 * kafka-protocol.ts): the member keeps what it has while the group settles, and acks wait that long. A member that the group
 * has given up, or that has not reached its coordinator for a session's time, owns nothing.
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
  /** Aborted to end a heartbeat pause. */
  #pause = new AbortController();
  #mustRejoin = false;
  readonly #waiting = new Set<() => void>();

  constructor(options: KafkaMemberOptions) {
    this.#options = options;
    this.#lastContactMs = options.clock.monotonicMs();
    this.#running = this.#run();
  }

  /** Resolves when the member is part of a generation, or has left. */
  async settled(): Promise<void> {
    while (!this.#generation && !this.#stopping.signal.aborted) await this.#change();
  }

  /** Keeps what it has, gets nothing new. */
  drain(): void {
    this.#draining = true;
  }

  /** Leaves the group. Idempotent. */
  async leave(): Promise<void> {
    this.#stopping.abort();
    this.#pause.abort();
    this.#announce();
    const left = new AbortController();
    const running = this.#running.finally(() => left.abort());
    await Promise.race([running, this.#options.clock.sleep(LEAVE_MS_MAX, left.signal)]);
  }

  /** Acks for the group, under the generation that holds when it is sent. `isOwned` is asked before every attempt. */
  async commit({ topic, partition }: TopicPartition, offset: number, isOwned: () => boolean): Promise<void> {
    await this.#asOwner({ topic, partition }, isOwned, "acked", (coordinator, generation) =>
      coordinator.offsetCommit({
        ...generation,
        topics: [{ topic, partitions: [{ partition, offset: String(offset) }] }],
      }),
    );
  }

  /** What AssignedPartition.confirm says. The partition has no other owner while this member's generation lasts. */
  async confirm(place: TopicPartition, isOwned: () => boolean): Promise<void> {
    await this.#asOwner(place, isOwned, "confirmed", (coordinator, generation) => coordinator.heartbeat(generation));
  }

  async #asOwner(
    { topic, partition }: TopicPartition,
    isOwned: () => boolean,
    done: string,
    request: (coordinator: Broker, generation: GenerationOfMember) => Promise<unknown>,
  ): Promise<void> {
    const { group, clock, connection } = this.#options;
    for (let attempt = 1; ; attempt++) {
      // While the group settles it waits; if this member loses the partition meanwhile, in vain.
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
        if (attempt >= COMMIT_ATTEMPTS_MAX) throw kafkaError(thrown, `${topic}/${partition} cannot be ${done}`);
        if (isFenced(thrown) || isRebalancing(thrown)) this.#rejoin(generation);
        else {
          await clock.sleep(RETRY_MS * attempt, this.#stopping.signal);
          generation.coordinator = await connection.coordinator(group);
        }
      }
    }
  }

  /** What was learnt about `generation` asks for a new one. The heartbeat loop finds out what exactly. */
  #rejoin(generation: Generation): void {
    if (this.#generation !== generation) return;
    this.#generation = undefined;
    this.#pause.abort();
  }

  async #run(): Promise<void> {
    const { clock, onError } = this.#options;
    const { signal } = this.#stopping;
    // Not at once: the maker must be able to finish what it is at.
    await nextTurn();
    while (!signal.aborted) {
      try {
        const generation = await this.#join();
        if (generation && !this.#mustRejoin) await this.#heartbeats(generation);
      } catch (thrown) {
        if (signal.aborted) break;
        if (isFenced(thrown)) {
          this.#memberId = "";
          this.#ownNothing();
        } else if (!isRebalancing(thrown)) {
          const isCutOff = clock.monotonicMs() - this.#lastContactMs > SESSION_MS;
          if (isCutOff || !isMoving(thrown)) {
            onError(kafkaError(thrown, `group ${this.#options.group} cannot be reached`));
          }
          if (isCutOff) this.#ownNothing();
          await clock.sleep(RETRY_MS, signal);
        }
      }
      this.#generation = undefined;
    }
    await this.#leaveGroup();
    this.#ownNothing();
  }

  /** The group has gone on without this member, or may have. */
  #ownNothing(): void {
    this.#lastGenerationId = -1;
    this.#options.assigned([]);
    this.#announce();
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
        groupAssignment: [...given].map(([memberId, places]) => ({
          memberId,
          memberAssignment: encodeAssignment(places),
        })),
      }),
      REBALANCE_MS,
    );
    const places = decodeAssignment(memberAssignment);
    if (this.#stopping.signal.aborted) return undefined;
    this.#lastGenerationId = joined.generationId;
    const names = new Set(places.map(topicPartitionName));
    // What it had to let go is free for others once it has joined again without it.
    this.#mustRejoin = claims.some((name) => !names.has(name));
    assigned(places);
    this.#generation = { id: joined.generationId, coordinator };
    this.#announce();
    return this.#generation;
  }

  #joinRequest(claims: readonly string[]): Buffer {
    const [topics, draining, generation] = [this.#topics, this.#draining, this.#lastGenerationId];
    return encodeJoin({ topics, owned: claims, generation, draining });
  }

  /** Until the group rebalances (thrown), the topics change or a commit has learnt that the generation is over. */
  async #heartbeats(generation: Generation): Promise<void> {
    const { clock, group } = this.#options;
    let topicsReadMs = clock.monotonicMs();
    while (!this.#stopping.signal.aborted) {
      this.#pause = new AbortController();
      if (this.#generation === generation) await clock.sleep(HEARTBEAT_MS, this.#pause.signal);
      if (this.#stopping.signal.aborted) return;
      const beat = { groupId: group, groupGenerationId: generation.id, memberId: this.#memberId };
      await this.#inSession(generation.coordinator.heartbeat(beat), SESSION_MS);
      if (this.#generation !== generation) return;
      if (this.#draining || clock.monotonicMs() - topicsReadMs < TOPICS_MS) continue;
      topicsReadMs = clock.monotonicMs();
      const topics = await this.#options.topics();
      if (topics.length !== this.#topics.length || topics.some((topic) => !this.#topics.includes(topic))) return;
    }
  }

  /** Contact with the coordinator: an answer within `withinMs` proves that this member lives, for the group and for itself. */
  async #inSession<T>(answer: Promise<T>, withinMs: number): Promise<T> {
    const { clock } = this.#options;
    const over = new AbortController();
    const late = clock.sleep(withinMs, over.signal).then((): never => {
      throw new TributaryError("LOG_UNAVAILABLE", `the coordinator has not answered within ${withinMs} ms`);
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
      // Then the group gives it up after the session's time.
    }
  }

  /** Resolves when the member has joined a generation or has lost what it owned. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #announce(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
