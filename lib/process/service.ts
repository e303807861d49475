/** A running service: a loop over its ports. */
export interface Service {
  /** Resolves while the service can do its work; otherwise throws what stands in the way. */
  ready(): Promise<void>;
  /** Finishes what runs, takes nothing new. Idempotent. The ports stay open: they belong to main.ts. */
  drain(): Promise<void>;
}
