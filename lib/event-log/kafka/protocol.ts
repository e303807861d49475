import { AssignerProtocol } from "kafkajs";
import { assign, topicPartitionName, type TopicPartition } from "../groups/assignment.ts";
import type { GroupMember } from "./connection.ts";

/** The broker refuses members with another protocol name. */
export const PROTOCOL_NAME = "tributary-cooperative";

/** The metadata that a member sends when it joins. */
export interface JoinRequest {
  topics: readonly string[];
  /**
   * The partitions that it holds, as topicPartitionName. No other member may own them until it releases them.
   */
  owned: readonly string[];
  /**
   * The generation in which it received them. If two members claim a partition, the newer generation wins.
   */
  generation: number;
  draining: boolean;
}

type UserData = Omit<JoinRequest, "topics">;

export function encodeJoin({ topics, ...userData }: JoinRequest): Buffer {
  return AssignerProtocol.MemberMetadata.encode({
    version: 0,
    topics: [...topics],
    userData: Buffer.from(JSON.stringify(userData)),
  });
}

export function decodeJoin(bytes: Buffer): JoinRequest {
  const metadata = AssignerProtocol.MemberMetadata.decode(bytes)!;
  return { topics: metadata.topics, ...(JSON.parse(metadata.userData.toString()) as UserData) };
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const own = byTopic.get(topic);
    if (own) own.push(partition);
    else byTopic.set(topic, [partition]);
  }
  const assignment = Object.fromEntries(byTopic);
  return AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) });
}

export function decodeAssignment(bytes: Buffer): TopicPartition[] {
  // The broker sends empty bytes to a member that is missing in the leader's assignment.
  const assignment: Record<string, number[]> = AssignerProtocol.MemberAssignment.decode(bytes)?.assignment ?? {};
  return Object.entries(assignment).flatMap(([topic, partitions]) =>
    partitions.map((partition) => ({ topic, partition })),
  );
}

/**
 * The leader's assignment for the next generation. A partition that must move and that its owner still holds
 * is assigned to no member: the owner sees that it is missing, releases it and joins again, and the following
 * generation assigns it to the new owner. Partitions that stay are not interrupted, and no partition ever has
 * two owners.
 */
export function assignGeneration(
  members: readonly GroupMember[],
  partitionCounts: ReadonlyMap<string, number>,
): Map<string, TopicPartition[]> {
  const joined = members
    .map(({ memberId, memberMetadata }) => ({ memberId, ...decodeJoin(memberMetadata) }))
    .map((member) => ({ ...member, subscription: member.topics }))
    .sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const owners = new Map<string, (typeof joined)[number]>();
  for (const member of [...joined].sort((a, b) => a.generation - b.generation)) {
    for (const name of member.owned) owners.set(name, member);
  }
  const topics = [...new Set(joined.flatMap((member) => member.topics))].sort();
  const partitions = topics.flatMap((topic) =>
    Array.from({ length: partitionCounts.get(topic) ?? 0 }, (_, partition): TopicPartition => ({ topic, partition })),
  );
  const target = assign(joined, partitions, owners);
  const given = new Map(joined.map(({ memberId }) => [memberId, [] as TopicPartition[]]));
  for (const partition of partitions) {
    const name = topicPartitionName(partition);
    const [next, owner] = [target.get(name), owners.get(name)];
    if (next && (!owner || owner === next)) given.get(next.memberId)!.push(partition);
  }
  return given;
}
