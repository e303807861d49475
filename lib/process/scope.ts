/** A stack of resources. `close` releases all of them, last opened first, and throws the first failure. */
export class Scope {
  readonly #releasers: { name: string; release: () => unknown }[] = [];
  #closing: Promise<void> | undefined;

  /** Registers the release of a resource and returns the resource. */
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
        failures.push(new Error(`cannot close ${name}`, { cause: error }));
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
