import { isIP } from "node:net";
import { TributaryError } from "../errors.ts";

/** Reached from this machine only. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

/**
 * For a service that has no interface but /healthz, /readyz and /metrics, and so no keys.
 * @throws CONFIG_INVALID where others in the network could read them without anybody having wanted it
 */
export function checkHealthExposure(setting: string, host: string, isPublic: boolean): void {
  if (isPublic || isLoopback(host)) return;
  throw new TributaryError(
    "CONFIG_INVALID",
    `${setting} is ${host}, which others can reach, and /metrics names tables and volumes: ` +
      `set ${setting} to 127.0.0.1, or TRIBUTARY_METRICS_PUBLIC to true if that network is trusted`,
  );
}
