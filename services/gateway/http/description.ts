import { readFileSync } from "node:fs";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import { jsonSchemaTransform, jsonSchemaTransformObject } from "fastify-type-provider-zod";
import type { FastifySchema } from "fastify";
import type { App } from "./deps.ts";

const VERSION = "1";

/**
 * Swagger UI sets styles on its elements and holds its images in its style sheet. The plugin's own policy
 * forbids both, and asks for HTTPS, which the gateway may not have.
 */
const DOCS_CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";
const LOGO = {
  type: "image/svg+xml",
  content: readFileSync(new URL("../console/static/icon.svg", import.meta.url)),
};

/**
 * Serves /openapi.json, generated from the routes' schemas, and /docs, a page to read and try the API. The
 * page loads nothing from other hosts.
 */
export async function addApiDescription(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Tributary",
        version: VERSION,
        description: "Streams CSV files into tables. Errors are problem details (RFC 9457) with a code and a remedy.",
      },
      tags: [
        { name: "files", description: "Files and their status" },
        { name: "tables", description: "Tables: contents, freshness, checks and maintenance" },
        { name: "rejects", description: "Rows that could not be typed, and their correction" },
      ],
      components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
      security: [{ key: [] }],
    },
    transform: (route) => {
      const { schema, url } = jsonSchemaTransform(route);
      const described = withBody(schema);
      const isNamed = url.startsWith("/v1/") && url.endsWith("/*");
      return isNamed
        ? { schema: nameWildcard(described), url: url.replace(/\*$/, ":name") }
        : { schema: described, url };
    },
    transformObject: (document) => withOptionalBodies(jsonSchemaTransformObject(document)),
  });
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: DOCS_CSP,
    logo: LOGO,
    uiConfig: { deepLinking: true },
  });
}

/** The part of an OpenAPI document that this module changes. */
interface Described {
  paths: Record<string, Record<string, { requestBody?: RequestBody }>>;
}

interface RequestBody {
  required?: boolean;
  content: Record<string, { schema?: { format?: string; anyOf?: { type?: string }[] } }>;
}

/**
 * The plugin marks every body as required. A nullable body is optional, and a missing file body is an empty
 * file.
 */
function withOptionalBodies<Document>(document: Document): Document {
  const operations = Object.values((document as Described).paths).flatMap((path) => Object.values(path));
  for (const { requestBody } of operations) if (requestBody && isOptional(requestBody)) requestBody.required = false;
  return document;
}

function isOptional({ content }: RequestBody): boolean {
  return Object.values(content).some(
    ({ schema }) => schema?.format === "binary" || schema?.anyOf?.some(({ type }) => type === "null"),
  );
}

interface RouteSchema extends FastifySchema {
  consumes?: readonly string[];
}

const FILE_BODY = {
  type: "string",
  format: "binary",
  description: "the file's bytes; an empty body is an empty file, which fails as FILE_EMPTY",
};
const FORM_BODY = {
  type: "object",
  properties: { file: { type: "array", items: { type: "string", format: "binary" } } },
};

/** Describes streamed bodies, which have no schema to validate them. */
function withBody(schema: RouteSchema): RouteSchema {
  if (!schema.consumes) return schema;
  return { ...schema, body: schema.consumes.includes("multipart/form-data") ? FORM_BODY : FILE_BODY };
}

/** Describes the router's wildcard parameter `*` as `name`. */
function nameWildcard(schema: RouteSchema): RouteSchema {
  const params = schema.params as { properties: Record<string, unknown>; required?: string[] };
  const { "*": name, ...properties } = params.properties;
  return {
    ...schema,
    params: { ...params, properties: { ...properties, name }, required: [...Object.keys(properties), "name"] },
  };
}
