import { subscribes, type Subscription } from "./subscription.ts";

export interface TopicPartition {
  topic: string;
  partition: number;
}

export interface Member {
  subscription: Subscription;
  /** Receives no new partitions; keeps the ones that it has. */
  draining: boolean;
}

export const topicPartitionName = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/** The partition with this topicPartitionName. */
export function topicPartitionOf(name: string): TopicPartition {
  const at = name.lastIndexOf("/");
  return { topic: name.slice(0, at), partition: Number(name.slice(at + 1)) };
}

/**
 * Assigns partitions to the members of a group. Every partition with a subscriber gets one owner, loads
 * differ as little as the subscriptions allow, and a partition keeps its owner unless balance requires a
 * move. `owners` (the present assignment) and the result are keyed by `topicPartitionName`.
 */
export function assign<M extends Member>(
  members: readonly M[],
  partitions: readonly TopicPartition[],
  owners: ReadonlyMap<string, M>,
): Map<string, M> {
  const load = new Map(members.map((member) => [member, 0]));
  const result = new Map<string, M>();
  const give = (partition: TopicPartition, member: M): void => {
    result.set(topicPartitionName(partition), member);
    load.set(member, load.get(member)! + 1);
  };
  const loadOf = (member: M): number => load.get(member)!;

  const unowned: TopicPartition[] = [];
  for (const partition of partitions) {
    const owner = owners.get(topicPartitionName(partition));
    if (owner && load.has(owner) && subscribes(owner.subscription, partition.topic)) give(partition, owner);
    else unowned.push(partition);
  }
  for (const partition of unowned) {
    const member = leastLoaded(members, partition.topic, loadOf);
    if (member) give(partition, member);
  }
  for (const partition of partitions) {
    const owner = result.get(topicPartitionName(partition));
    const member = leastLoaded(members, partition.topic, loadOf);
    if (!owner || !member || owner.draining || load.get(owner)! - load.get(member)! < 2) continue;
    load.set(owner, load.get(owner)! - 1);
    give(partition, member);
  }
  return result;
}

/** The member that subscribes to the topic and has the fewest partitions; undefined without a subscriber. */
export function leastLoaded<M extends Member>(
  members: readonly M[],
  topic: string,
  loadOf: (member: M) => number,
): M | undefined {
  let best: M | undefined;
  for (const member of members) {
    if (member.draining || !subscribes(member.subscription, topic)) continue;
    if (!best || loadOf(member) < loadOf(best)) best = member;
  }
  return best;
}
