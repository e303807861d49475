/** In a flow mapping of YAML an unquoted DECIMAL(12,2) ends at its comma: what is left of it is a key. */

interface Fault {
  path: readonly PropertyKey[];
  message: string;
}

const TYPE_START = /^(?:decimal|numeric)\(\s*\d+$/i;
const TYPE_END = /^\s*\d+\s*\)$/;

/** The faults of a contract, with one that says to quote in place of the two that each such type causes. */
export function withUnquotedTypes<T extends Fault>(faults: readonly T[], given: unknown): T[] {
  return faults.flatMap((fault) => {
    const [key = "", ...above] = fault.path.toReversed();
    const column = valueAt(given, above.toReversed());
    if (!isMapping(column) || typeof column["type"] !== "string" || !TYPE_START.test(column["type"])) return [fault];
    const end = Object.keys(column).find((name) => TYPE_END.test(name));
    if (end === undefined) return [fault];
    if (key === end) return [];
    if (key !== "type") return [fault];
    return [{ ...fault, message: `quote the type, which ends at its comma: type: "${column["type"]},${end.trim()}"` }];
  });
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  let value = given;
  for (const key of path) {
    if (Array.isArray(value)) value = value[Number(key)];
    else if (isMapping(value)) value = new Map(Object.entries(value)).get(String(key));
    else return undefined;
  }
  return value;
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
