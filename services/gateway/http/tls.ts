import { readFileSync } from "node:fs";
import type { Server } from "node:https";
import { createSecureContext } from "node:tls";
import type { Clock } from "../../../lib/clock.ts";
import { messageOf, TributaryError } from "../../../lib/errors.ts";
import { followFiles } from "../../../lib/process/followed-files.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { GatewaySettings } from "../config.ts";

export interface TlsFiles {
  certPath: string;
  keyPath: string;
  cert: string;
  key: string;
}

const POLL_MS = 10_000;

/** Reads the certificate and key named by the settings; undefined: plain HTTP. @throws CONFIG_INVALID */
export function readTlsFiles(settings: GatewaySettings): TlsFiles | undefined {
  const { TRIBUTARY_TLS_CERT_FILE: certPath, TRIBUTARY_TLS_KEY_FILE: keyPath } = settings;
  if (certPath === undefined && keyPath === undefined) return undefined;
  const wrong = (why: string): TributaryError =>
    new TributaryError("CONFIG_INVALID", `TRIBUTARY_TLS_CERT_FILE, TRIBUTARY_TLS_KEY_FILE: ${why}`);
  if (certPath === undefined || keyPath === undefined) throw wrong("only one is set: set both, or neither");
  try {
    const files = { certPath, keyPath, cert: readFileSync(certPath, "utf8"), key: readFileSync(keyPath, "utf8") };
    createSecureContext(files);
    return files;
  } catch (error) {
    throw wrong(messageOf(error));
  }
}

/**
 * Reloads the certificate and key into the server when the files change. An unusable pair is logged as an
 * error, and the old pair stays in use.
 */
export function followTlsFiles(
  server: Server,
  { certPath, keyPath, cert, key }: TlsFiles,
  { clock, logger, onState }: { clock: Clock; logger: Logger; onState: (isStale: boolean) => void },
): { close(): Promise<void> } {
  return followFiles([certPath, keyPath], [cert, key], {
    clock,
    everyMs: POLL_MS,
    take: ([changedCert, changedKey]) => {
      createSecureContext({ cert: changedCert!, key: changedKey! });
      server.setSecureContext({ cert: changedCert!, key: changedKey! });
      onState(false);
      logger.info({ certPath }, "certificate reloaded");
    },
    onRefused: (detail) => {
      onState(true);
      logger.error(
        { certPath, keyPath, detail },
        "cannot use the changed certificate: THE OLD CERTIFICATE STAYS IN USE",
      );
    },
  });
}
