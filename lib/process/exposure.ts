import { isIP } from "node:net";
import { TributaryError } from "../errors.ts";

/** True if only this machine can reach the address. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

/**
 * For services that serve only /healthz, /readyz and /metrics and have no API keys.
 * @throws CONFIG_INVALID if other machines could read them without TRIBUTARY_METRICS_PUBLIC
 */
export function checkHealthExposure(setting: string, host: string, isPublic: boolean): void {
  if (isPublic || isLoopback(host)) return;
  throw new TributaryError(
    "CONFIG_INVALID",
    `${setting} is ${host}, which other machines can reach, and /metrics shows table names and volumes: ` +
      `set ${setting} to 127.0.0.1, or TRIBUTARY_METRICS_PUBLIC to true if the network is trusted`,
  );
}
