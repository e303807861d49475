import { subscribes, type Subscription } from "./subscription.ts";

export interface TopicPartition {
  topic: string;
  partition: number;
}

export interface Member {
  subscription: Subscription;
  /** Takes nothing new, keeps what it has. */
  draining: boolean;
}

export const topicPartitionName = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/**
 * Who owns what in a group: every partition that somebody subscribes to gets one owner, loads differ as little as subscriptions
 * allow, and a partition stays where it is unless it must move. `owners` is keyed by `placeName`.
 */
export function assign<M extends Member>(
  members: readonly M[],
  places: readonly TopicPartition[],
  owners: ReadonlyMap<string, M>,
): Map<string, M> {
  const load = new Map(members.map((member) => [member, 0]));
  const result = new Map<string, M>();
  const give = (place: TopicPartition, member: M): void => {
    result.set(topicPartitionName(place), member);
    load.set(member, load.get(member)! + 1);
  };
  const leastLoaded = (topic: string): M | undefined =>
    members
      .filter((member) => !member.draining && subscribes(member.subscription, topic))
      .reduce<M | undefined>(
        (best, member) => (best && load.get(best)! <= load.get(member)! ? best : member),
        undefined,
      );

  const homeless: TopicPartition[] = [];
  for (const place of places) {
    const owner = owners.get(topicPartitionName(place));
    if (owner && load.has(owner) && subscribes(owner.subscription, place.topic)) give(place, owner);
    else homeless.push(place);
  }
  for (const place of homeless) {
    const member = leastLoaded(place.topic);
    if (member) give(place, member);
  }
  for (const place of places) {
    const owner = result.get(topicPartitionName(place));
    const member = leastLoaded(place.topic);
    if (!owner || !member || owner.draining || load.get(owner)! - load.get(member)! < 2) continue;
    load.set(owner, load.get(owner)! - 1);
    give(place, member);
  }
  return result;
}
