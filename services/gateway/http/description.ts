import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import { jsonSchemaTransform, jsonSchemaTransformObject } from "fastify-type-provider-zod";
import type { FastifySchema } from "fastify";
import type { App } from "./deps.ts";

const VERSION = "1";

/** /openapi.json, made from the routes' own schemas, and /docs, a page to read and try them (all of it from the package, nothing from elsewhere). */
export async function addApiDescription(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Tributary",
        version: VERSION,
        description:
          "CSV files into tables, as a stream. Errors are problem details (RFC 9457) with a code and a remedy.",
      },
      tags: [
        { name: "files", description: "Files and what becomes of them" },
        { name: "tables", description: "What they are in" },
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
  await app.register(swaggerUi, { routePrefix: "/docs", staticCSP: true, uiConfig: { deepLinking: true } });
}

/** As much of an OpenAPI document as is touched here. */
interface Described {
  paths: Record<string, Record<string, { requestBody?: RequestBody }>>;
}

interface RequestBody {
  required?: boolean;
  content: Record<string, { schema?: { format?: string; anyOf?: { type?: string }[] } }>;
}

/** The plugin says of every body that it must be there. One that may be null may be left out, and no body at all is an empty file. */
function withOptionalBodies<Document>(document: Document): Document {
  const operations = Object.values((document as Described).paths).flatMap((path) => Object.values(path));
  for (const { requestBody } of operations) if (requestBody && mayBeLeftOut(requestBody)) requestBody.required = false;
  return document;
}

function mayBeLeftOut({ content }: RequestBody): boolean {
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
  description: "the file as it is; no body is an empty file, which fails as FILE_EMPTY",
};
const FORM_BODY = {
  type: "object",
  properties: { file: { type: "array", items: { type: "string", format: "binary" } } },
};

/** Bodies that are streamed have no schema to be checked by; people are told of them all the same. */
function withBody(schema: RouteSchema): RouteSchema {
  if (!schema.consumes) return schema;
  return { ...schema, body: schema.consumes.includes("multipart/form-data") ? FORM_BODY : FILE_BODY };
}

/** The rest of a path is called `*` by the router and `name` by everybody else. */
function nameWildcard(schema: RouteSchema): RouteSchema {
  const params = schema.params as { properties: Record<string, unknown>; required?: string[] };
  const { "*": name, ...properties } = params.properties;
  return {
    ...schema,
    params: { ...params, properties: { ...properties, name }, required: [...Object.keys(properties), "name"] },
  };
}
