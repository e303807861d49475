import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** Root folder of the repository. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Configuration files, shared by compose and the local stack. */
export const INFRA = `${ROOT}infra`;

/** The file's text with every `${NAME}` replaced. @throws Error that lists the names without a value. */
export async function render(path: string, values: Readonly<Record<string, string | number>>): Promise<string> {
  const missing = new Set<string>();
  const text = (await readFile(path, "utf8")).replaceAll(/\$\{([A-Z0-9_]+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) missing.add(name);
    return value === undefined ? whole : String(value);
  });
  if (missing.size > 0) throw new Error(`${path} uses variables that have no value: ${[...missing].join(", ")}`);
  return text;
}
