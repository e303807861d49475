import { nearestOf } from "../../nearest.ts";
import { SETTING_NAMES } from "./names.ts";

/** Names that the command line, the local stack, Docker Compose and the tests read. */
const NAMES_OF_TOOLS = [
  ...[
    "TRIBUTARY_URL",
    "TRIBUTARY_API_KEY",
    "TRIBUTARY_VERSION",
    "TRIBUTARY_IMAGE",
    "TRIBUTARY_GATEWAY_URL",
    "TRIBUTARY_CACHE_DIR",
  ],
  ...["TRIBUTARY_JAVA_HOME", "TRIBUTARY_NOTIFICATIONS_KEY", "TRIBUTARY_DROPS_BUCKET", "TRIBUTARY_WAREHOUSE_BUCKET"],
];
const PREFIXES_OF_TOOLS = /^TRIBUTARY_(TEST|SIM|STACK|CATALOG)_/;

/** Variables that Kubernetes sets in every container beside a service named tributary or tributary-…. */
const OF_KUBERNETES = /_SERVICE_(HOST|PORT)(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/;

const PREFIX = "TRIBUTARY_";
const KNOWN: ReadonlySet<string> = new Set([...SETTING_NAMES, ...NAMES_OF_TOOLS]);

/**
 * The faults of names that look like a setting of ours and are none, each with the nearest known name. A
 * setting of another service is known: one environment may serve all services.
 */
export const unknownSettingFaults = (given: Readonly<Record<string, string>>): string[] =>
  Object.keys(given).flatMap((name) => {
    if (KNOWN.has(name) || PREFIXES_OF_TOOLS.test(name) || OF_KUBERNETES.test(name)) return [];
    const nearest = nearestOf(name.toUpperCase(), [...KNOWN]);
    // Beside another name of the environment, only a slip of the prefix is ours.
    const isOurs = name.toUpperCase().startsWith(PREFIX) || (nearest !== undefined && /^trib/i.test(name));
    if (!isOurs) return [];
    return [`${name}: no such setting: ${nearest ? `use ${nearest}` : "docs/configuration.md lists all settings"}`];
  });
