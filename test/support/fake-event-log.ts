import { MemoryBroker, MemoryEventLog, type ClientOptions } from "./memory-event-log.ts";

/**
 * A broker in memory with one client, for tests of services. A group's partitions belong to its live members, until they close, `kill`
 * ends them or `rebalance` hands the partitions on.
 */
export class FakeEventLog extends MemoryEventLog {
  constructor(options: ClientOptions = {}) {
    super(new MemoryBroker(), options);
  }

  /** The members of a group die where they stand: they lose their partitions without a word, and live ones take over. */
  kill(group: string): void {
    for (const member of this.broker.members(group)) void this.broker.evict(member);
  }

  /** A group's partitions are taken from their owners and given out again, to the same members. */
  rebalance(group: string): void {
    for (const member of this.broker.members(group)) void member.loseAll();
    this.broker.rebalance(group);
  }
}
