import type { TableChange } from "../catalog/commit.ts";
import type { RestCatalog } from "../catalog/rest-catalog.ts";
import type { CatalogSend } from "./catalog-port.ts";

/**
 * The gate's way to a catalog that Tributary is logged in to. `uri` as for `openRestCatalog`; a catalog may
 * name another one in its configuration.
 */
export function throughCatalog(catalog: Pick<RestCatalog, "send" | "config">, uri: string): CatalogSend {
  const root = rootOf(catalog, uri);
  const base = new URL(`${root}/v1/`).pathname;
  return async ({ path, ...request }) => {
    const url = new URL(`${root}${path}`);
    // A path with steps upwards would leave the catalog.
    if (!url.pathname.startsWith(base)) throw Object.assign(new Error(`${path} is outside ${base}`), { sent: false });
    return catalog.send({ ...request, url });
  };
}

/** A commit of these changes, as the gate takes it from a writer. */
export function commitOf(
  catalog: Pick<RestCatalog, "commitRequest" | "config">,
  uri: string,
  changes: readonly TableChange[],
): { path: string; body: string } {
  const { url, body } = catalog.commitRequest(changes);
  const above = new URL(`${rootOf(catalog, uri)}/`).pathname.length - 1;
  return { path: url.pathname.slice(above), body };
}

const rootOf = ({ config }: Pick<RestCatalog, "config">, uri: string): string =>
  (config.uri ?? uri).replace(/\/+$/, "");
