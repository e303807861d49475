import { TributaryError } from "../../../errors.ts";
import { ALLOWED_BUILTIN_VIEWS, ALLOWED_FUNCTIONS, ALLOWED_TABLE_FUNCTIONS } from "./allowed.ts";
import { ownOf } from "../../../own.ts";

/** Expression classes of DuckDB's parser that contain nothing but parts that this guard checks. */
const EXPRESSIONS = new Set(
  (
    "BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA LAMBDA_REF OPERATOR " +
    "POSITIONAL_REFERENCE STAR SUBQUERY TYPE WINDOW"
  ).split(" "),
);
const QUERY_NODES = new Set(["SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"]);
const TABLE_REFS = new Set(
  "BASE_TABLE COLUMN_DATA_REF EMPTY EXPRESSION_LIST JOIN PIVOT SHOW_REF SUBQUERY TABLE_FUNCTION".split(" "),
);

export interface Catalog {
  /** The attached database and the schema whose tables may be read. */
  database: string;
  schema: string;
  /** DuckDB's own views, lower case, as `duckdb_views()` lists them. */
  builtinViews: ReadonlySet<string>;
}

type Node = Readonly<Record<string, unknown>>;

const refused = (what: string): TributaryError =>
  new TributaryError("QUERY_NOT_READ_ONLY", `${what} is not allowed in a query`);

/**
 * Checks the tree that DuckDB's `json_serialize_sql` makes of a query. The query must be one SELECT whose
 * node types, functions and relations are all on the lists of allowed names. The text of literals, aliases
 * and columns is not checked.
 * @throws QUERY_NOT_READ_ONLY naming the part that is not allowed; QUERY_FAILED with DuckDB's message if the
 * text does not parse
 */
export function checkSelect(serialized: string, catalog: Catalog): void {
  const {
    error,
    error_message: message,
    error_type: kind,
    statements,
  } = JSON.parse(serialized) as {
    error: boolean;
    error_message?: string;
    error_type?: string;
    statements?: Node[];
  };
  if (error) {
    if (kind === "not implemented") throw refused("a statement other than SELECT, SHOW, DESCRIBE or EXPLAIN");
    throw new TributaryError("QUERY_FAILED", message ?? "the query does not parse");
  }
  if (statements?.length !== 1) {
    const found = statements?.length ? `${statements.length} statements` : "no statement";
    throw new TributaryError("QUERY_NOT_READ_ONLY", `${found}: send exactly one SELECT, SHOW, DESCRIBE or EXPLAIN`);
  }
  const pending: unknown[] = [statements[0]!["node"]];
  if (!QUERY_NODES.has(String((pending[0] as Node)["type"]))) throw refused("this statement");
  while (pending.length > 0) {
    const value = pending.pop();
    if (Array.isArray(value)) for (const one of value) pending.push(one);
    else if (value !== null && typeof value === "object") pending.push(...checkNode(value as Node, catalog));
  }
}

/** Checks one node and returns its children. */
function checkNode(node: Node, catalog: Catalog): unknown[] {
  const type = String(node["type"]);
  if ("class" in node) {
    const expression = String(node["class"]);
    if (!EXPRESSIONS.has(expression)) throw refused(`an expression of class ${expression}`);
    // A constant holds a value and its type. Both are data.
    if (expression === "CONSTANT") return [];
  } else if ("cte_map" in node) {
    if (!QUERY_NODES.has(type)) throw refused(`a query node ${type}`);
  } else if ("sample" in node && "alias" in node) {
    if (!TABLE_REFS.has(type)) throw refused(`a relation of type ${type}`);
    if (type === "BASE_TABLE" || type === "SHOW_REF") checkRelation(node, catalog);
    if (type === "TABLE_FUNCTION") return checkTableFunction(node);
  }
  const name = node["function_name"];
  if (typeof name === "string" && !ALLOWED_FUNCTIONS.has(name.toLowerCase())) throw refused(`the function '${name}'`);
  return Object.values(node);
}

/**
 * Checks a table function, which is a FUNCTION expression in a relation. Its name has a separate list; its
 * arguments do not.
 */
function checkTableFunction(node: Node): unknown[] {
  const { function: call, ...rest } = node as { function?: Node };
  const { function_name: name, ...inner } = call as { function_name?: string };
  if (name === undefined || !ALLOWED_TABLE_FUNCTIONS.has(name.toLowerCase())) throw refused(`the function '${name}'`);
  return [...Object.values(rest), ...Object.values(inner)];
}

/**
 * Checks a relation: it must be in the lakehouse schema or `information_schema`, or be an allowed built-in
 * view. Unknown names fail in DuckDB.
 */
function checkRelation(node: Node, { database, schema, builtinViews }: Catalog): void {
  const textOf = (key: string): string => {
    const value = ownOf(node, key);
    return typeof value === "string" ? value.toLowerCase() : "";
  };
  const [inDatabase, inSchema, name] = [textOf("catalog_name"), textOf("schema_name"), textOf("table_name")];
  const isOurs = inDatabase === "" || inDatabase === database;
  if (isOurs && inSchema === schema) return;
  if (inSchema === "information_schema" && (isOurs || inDatabase === "system")) return;
  if (isOurs && (inSchema === "" || inSchema === "pg_catalog")) {
    if (inSchema === "" && !builtinViews.has(name)) return;
    if (ALLOWED_BUILTIN_VIEWS.has(name)) return;
  }
  throw refused(`the relation '${[inDatabase, inSchema, name].filter(Boolean).join(".")}'`);
}
