/** A running service. */
export interface Service {
  /** Resolves if the service can work; otherwise throws the cause. */
  ready(): Promise<void>;
  /**
   * Finishes running work and starts no new work. Idempotent. Does not close the ports: main.ts owns them.
   */
  drain(): Promise<void>;
}
