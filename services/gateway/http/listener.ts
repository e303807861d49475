import type { Server } from "node:https";
import type { Clock } from "../../../lib/clock.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import { openApiKeys } from "../access/api-keys.ts";
import { checkExposure, type Identities } from "../access/auth.ts";
import type { GatewaySettings } from "../config.ts";
import type { GatewayMetrics } from "../metrics.ts";
import { makeTokenVerifier, oidcSettings } from "../access/oidc.ts";
import { followTlsFiles, readTlsFiles, type TlsFiles } from "./tls.ts";

/** Authentication and TLS of the gateway's listener. */
export interface Listener {
  identities: Identities;
  tls: TlsFiles | undefined;
  /** Reloads changed key and certificate files for the listening server, until closed. */
  follow(server: unknown): { close(): Promise<void> };
}

export interface ListenerOptions {
  clock: Clock;
  logger: Logger;
  settings: GatewaySettings;
  ca?: readonly string[] | undefined;
}

/**
 * @throws CONFIG_INVALID for unusable files or settings, and if other machines could reach the gateway
 *   without authentication
 */
export function openListener({ clock, logger, settings, ca }: ListenerOptions, metrics: GatewayMetrics): Listener {
  const stateOf = (file: string) => {
    const onState = (isStale: boolean): void => metrics.staleFiles.set({ file }, isStale ? 1 : 0);
    return { clock, logger, onState };
  };
  const { TRIBUTARY_API_KEYS_FILE: keysFile } = settings;
  const oidc = oidcSettings(settings);
  const identities: Identities = {
    keys: keysFile === undefined ? undefined : openApiKeys(keysFile, stateOf("api-keys")),
    tokens: oidc && makeTokenVerifier(oidc, clock, { ca }),
  };
  checkExposure(settings.TRIBUTARY_HOST, identities);
  const tls = readTlsFiles(settings);
  return {
    identities,
    tls,
    follow(server) {
      const keys = identities.keys?.follow();
      const certificate = tls && followTlsFiles(server as Server, tls, stateOf("tls"));
      return {
        async close() {
          await Promise.all([keys?.close(), certificate?.close()]);
        },
      };
    },
  };
}
