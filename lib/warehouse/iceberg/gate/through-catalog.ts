import type { RestCatalog } from "../catalog/rest-catalog.ts";
import type { CatalogSend } from "./catalog-port.ts";

/** The gate's way to a catalog that Tributary is logged in to. `uri` as for `openRestCatalog`. */
export function throughCatalog(catalog: Pick<RestCatalog, "send">, uri: string): CatalogSend {
  const root = uri.replace(/\/+$/, "");
  const base = new URL(`${root}/v1/`).pathname;
  return async ({ path, ...request }) => {
    const url = new URL(`${root}${path}`);
    // A path with steps upwards would leave the catalog.
    if (!url.pathname.startsWith(base)) throw Object.assign(new Error(`${path} is outside ${base}`), { sent: false });
    return catalog.send({ ...request, url });
  };
}
