import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { messageOf, TributaryError } from "../../errors.ts";
import type { PlatformSettings } from "../config.ts";

export interface S3Access {
  endpoint?: string;
  region?: string;
  accessKey?: string;
  secretKey?: string;
  ca?: string[];
}

interface Certificates {
  ca?: string[];
  cert?: string;
  key?: string;
}

export interface KafkaAccess {
  tls?: boolean | Certificates;
  saslMechanism?: string;
  username?: string;
  password?: string;
}

/** Address and login of the object store. @throws CONFIG_INVALID if a certificate cannot be read */
export const s3AccessOf = (settings: PlatformSettings): S3Access =>
  defined({
    endpoint: settings.TRIBUTARY_S3_ENDPOINT,
    region: settings.TRIBUTARY_S3_REGION,
    accessKey: settings.TRIBUTARY_S3_ACCESS_KEY,
    secretKey: settings.TRIBUTARY_S3_SECRET_KEY,
    ca: certificatesOf(settings),
  });

/** Login of Kafka; its URL has the addresses. @throws CONFIG_INVALID if a certificate cannot be read */
export const kafkaAccessOf = (settings: PlatformSettings): KafkaAccess =>
  defined({
    tls: kafkaTlsOf(settings),
    saslMechanism: settings.TRIBUTARY_KAFKA_SASL,
    username: settings.TRIBUTARY_KAFKA_USERNAME,
    password: settings.TRIBUTARY_KAFKA_PASSWORD,
  });

/**
 * The certificates that TLS trusts; undefined if these are only Node's own.
 * @throws CONFIG_INVALID
 */
export function certificatesOf({ TRIBUTARY_CA_FILE: path }: PlatformSettings): string[] | undefined {
  return path === undefined ? undefined : [...rootCertificates, readPem("TRIBUTARY_CA_FILE", path)];
}

function kafkaTlsOf(settings: PlatformSettings): boolean | Certificates {
  const { TRIBUTARY_KAFKA_CERT_FILE: cert, TRIBUTARY_KAFKA_KEY_FILE: key } = settings;
  if ((cert === undefined) !== (key === undefined)) {
    const message = "TRIBUTARY_KAFKA_CERT_FILE, TRIBUTARY_KAFKA_KEY_FILE: one is set and the other is not";
    throw new TributaryError("CONFIG_INVALID", message);
  }
  const isWanted =
    settings.TRIBUTARY_KAFKA_TLS || cert !== undefined || /[?&]tls=true/.test(settings.TRIBUTARY_LOG_URL ?? "");
  if (!isWanted) return false;
  return defined({
    ca: certificatesOf(settings),
    cert: cert && readPem("TRIBUTARY_KAFKA_CERT_FILE", cert),
    key: key && readPem("TRIBUTARY_KAFKA_KEY_FILE", key),
  });
}

/** @throws CONFIG_INVALID */
function readPem(setting: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new TributaryError("CONFIG_INVALID", `${setting}: ${messageOf(error)}`);
  }
}

/** The object without its undefined entries. */
export function defined<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
