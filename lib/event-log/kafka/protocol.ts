import { AssignerProtocol } from "kafkajs";
import { assign, topicPartitionName, type TopicPartition } from "../groups/assignment.ts";
import type { GroupMember } from "./connection.ts";

/** Members that speak another protocol are refused by the broker. */
export const PROTOCOL_NAME = "tributary-cooperative";

/** What a member says when it joins. */
export interface JoinRequest {
  topics: readonly string[];
  /** What it is still working on, as placeName: nobody else may have it before it lets go. */
  owned: readonly string[];
  /** The generation in which it got them: of two claims the newer holds. */
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

export function encodeAssignment(places: readonly TopicPartition[]): Buffer {
  const assignment: Record<string, number[]> = {};
  for (const { topic, partition } of places) (assignment[topic] ??= []).push(partition);
  return AssignerProtocol.MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) });
}

export function decodeAssignment(bytes: Buffer): TopicPartition[] {
  // None at all: the broker's answer to a member that the leader did not mention.
  const assignment: Record<string, number[]> = AssignerProtocol.MemberAssignment.decode(bytes)?.assignment ?? {};
  return Object.entries(assignment).flatMap(([topic, partitions]) =>
    partitions.map((partition) => ({ topic, partition })),
  );
}

/**
 * The leader's work: who gets what in the coming generation. A partition that should move, and that its owner still holds, is
 * given to nobody: the owner sees it gone, lets go and joins again, and the generation after that gives it to the other. So
 * nothing that stays is disturbed, and nothing is ever held by two.
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
  const places = topics.flatMap((topic) =>
    Array.from({ length: partitionCounts.get(topic) ?? 0 }, (_, partition): TopicPartition => ({ topic, partition })),
  );
  const target = assign(joined, places, owners);
  const given = new Map(joined.map(({ memberId }) => [memberId, [] as TopicPartition[]]));
  for (const place of places) {
    const name = topicPartitionName(place);
    const [next, owner] = [target.get(name), owners.get(name)];
    if (next && (!owner || owner === next)) given.get(next.memberId)!.push(place);
  }
  return given;
}
