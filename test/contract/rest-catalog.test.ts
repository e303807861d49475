import { after } from "node:test";
import { openRestCatalog, type RestCatalogOptions } from "../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { startFakeRestCatalog } from "../support/rest-catalog/fake-rest-catalog.ts";
import { restCatalogGiven } from "../support/rest-catalog/given.ts";
import { restCatalogContract } from "./rest-catalog.contract.ts";

const credential = "key:secret:with colons";
const fake = await startFakeRestCatalog({ credential, pageSize: 2, commitMs: 1 });
after(() => fake.close());
const options: RestCatalogOptions = { uri: fake.uri, warehouse: "any", login: { kind: "oauth2", credential } };
restCatalogContract("fake", { open: () => openRestCatalog(options) });

const given = restCatalogGiven("SeaweedFS: REST catalog");
if (given) {
  const seaweedfs = { answersExisting: true, registersEmpty: true };
  restCatalogContract("SeaweedFS", { ...seaweedfs, open: () => openRestCatalog(given.oauth2) });
  restCatalogContract("SeaweedFS, signed requests", { ...seaweedfs, open: () => openRestCatalog(given.signed) });
}
