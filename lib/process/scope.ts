/** Resources in the order they were opened; closing releases them last-in-first-out, all of them, and reports the first failure. */
export class Scope {
  readonly #releasers: { name: string; release: () => unknown }[] = [];
  #closing: Promise<void> | undefined;

  /** Registers how to let go of something just acquired, and returns it. */
  own<T>(name: string, resource: T, release: (resource: T) => unknown): T {
    this.#releasers.push({ name, release: () => release(resource) });
    return resource;
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#releaseAll();
    return this.#closing;
  }

  async #releaseAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const { name, release } of this.#releasers.reverse()) {
      try {
        await release();
      } catch (error) {
        failures.push(new Error(`closing ${name} failed`, { cause: error }));
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
