import { MemoryBroker, MemoryEventLog, type ClientOptions } from "./memory-event-log.ts";

/**
 * A broker in memory with one client, for tests of services. Live members own a group's partitions until they
 * close, until `kill` ends them or until `rebalance` reassigns the partitions.
 */
export class FakeEventLog extends MemoryEventLog {
  constructor(options: ClientOptions = {}) {
    super(new MemoryBroker(), options);
  }

  /**
   * Kills the members of a group: they lose their partitions without a notification, and live members take
   * over.
   */
  kill(group: string): void {
    for (const member of this.broker.members(group)) void this.broker.evict(member);
  }

  /** Revokes a group's partitions and assigns them to the same members again. */
  rebalance(group: string): void {
    for (const member of this.broker.members(group)) void member.loseAll();
    this.broker.rebalance(group);
  }
}
