import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The configuration files that compose ships and the local stack runs. */
export const INFRA = `${ROOT}infra`;

/** The file with every `${NAME}` replaced. @throws Error naming the names that have no value. */
export async function render(path: string, values: Readonly<Record<string, string | number>>): Promise<string> {
  const missing = new Set<string>();
  const text = (await readFile(path, "utf8")).replaceAll(/\$\{([A-Z0-9_]+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) missing.add(name);
    return value === undefined ? whole : String(value);
  });
  if (missing.size > 0) throw new Error(`${path} names what is not given: ${[...missing].join(", ")}`);
  return text;
}
