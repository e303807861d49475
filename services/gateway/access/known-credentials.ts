import { hashOf } from "../../../lib/process/api-keys.ts";

const KNOWN_MAX = 10_000;

/** Credentials that were accepted from an address, by hash. Beyond KNOWN_MAX the oldest are forgotten. */
export class KnownCredentials {
  readonly #known = new Set<string>();

  has(address: string, authorization: string | undefined): boolean {
    return authorization !== undefined && this.#known.has(nameOf(address, authorization));
  }

  accepted(address: string, authorization: string | undefined): void {
    if (authorization === undefined) return;
    const name = nameOf(address, authorization);
    // Put it at the end: those in use stay.
    this.#known.delete(name);
    this.#known.add(name);
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.values().next().value!);
  }

  refused(address: string, authorization: string): void {
    this.#known.delete(nameOf(address, authorization));
  }
}

const nameOf = (address: string, authorization: string): string =>
  `${address} ${hashOf(authorization).toString("base64")}`;
