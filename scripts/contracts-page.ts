/** docs/contracts.md and docs/contract.schema.json, from the schema of contracts. */
import { declaredSchema } from "../lib/contract/contract.ts";
import { jsonSchemaOf, type JsonSchema } from "../lib/contract/issues.ts";
import { FUNCTIONS } from "../lib/rules/functions.ts";

const INTRODUCTION = `A contract is a file \`<table>.yml\` in the contracts folder (\`TRIBUTARY_CONTRACTS_DIR\`, default \`contracts\`). It says
what the owner of a table knows: how files are written, what columns there are, and what rows must be. A table
needs none; every field but \`table\` has a default. A changed file counts within seconds, for files that arrive
after it.

\`\`\`yaml
# yaml-language-server: $schema=contract.schema.json
table: orders
writeMode: upsert
key: [order_id]
nullMarkers: ["NA", "-"]
dialect: { delimiter: ";" }
columns:
  - { name: order_id, type: BIGINT, aliases: [Order No, Auftrag] }
  - { name: ordered, type: DATE, format: dd.MM.yyyy }
  - { name: net, type: "DECIMAL(18,2)", number: { decimal: ",", group: "." }, rule: { min: 0 } }
  - { name: tax, type: "DECIMAL(18,2)", number: { decimal: ",", group: "." } }
  - { name: gross, type: "DECIMAL(18,2)", number: { decimal: ",", group: "." } }
  - { name: country, type: VARCHAR, rule: { pattern: "^[A-Z]{2}$", action: warn } }
rows:
  - { name: sum, expression: net + tax == gross }
\`\`\`

- \`tributary contract check <file or folder>\` tells every fault of contracts with its line. The exit code is 1 if
  there is one.
- \`tributary contract suggest <data file>\` prints a contract for a file: types, headers, dialect, null markers,
  number and date formats, lines above the table. A footer is a note: where a file lacks it, declaring it would leave
  rows out. \`--write <contract file>\` adds them to a contract; what is there stays.
- \`tributary contract schema\` prints the JSON Schema, for the line \`# yaml-language-server: $schema=<file>\` at the top of
  a contract: editors then complete and check it.
- The preview of a file (console, \`tributary preview\`, \`POST /v1/preview\`) proposes what would help. Nothing is
  applied before you do it.`;

const RULES = `## Rules and their outcome
A column's \`rule\` is about one value, a rule of \`rows\` about several columns of a row. The parser asks them after
types: values are numbers, dates and texts, not the file's characters. \`action\` says what becomes of a row that
breaks one:
- \`reject\`: the row goes to \`_rejected_rows\` with the reason \`rule:<name>\`. The sheet of rejects, corrections and
  replays work as for other rejects, and \`rejects.countMax\` and \`shareMax\` count them.
- \`warn\`: the row is loaded. The file's status lists the rule with the number of rows and the first line.
- \`fail\`: no row of the file is loaded (\`FILE_RULE_BROKEN\`).

A rule is not asked about an empty field: use \`required\`. Patterns have RE2's syntax, whose time grows with the
text alone. A rule that names a column which neither the file nor its table has fails the file.

## Expressions
An expression is a condition over the columns of one row: \`net + tax == gross\`, \`shipped >= ordered\`,
\`status != "refund" || amount < 0\`, \`country in ["DE", "FR"]\`, \`size(code) == 5 && code.startsWith("A")\`.
- Operators: \`|| && ! == != < <= > >= + - * / % in\` and \`a ? b : c\`.
- INTEGER, BIGINT and DECIMAL are exact: 0.1 + 0.2 is 0.3. DOUBLE columns and quotients are doubles.
- A constant text beside a date or time is one: \`ordered >= "2024-01-31"\`. The difference of two is in days.
- An empty field makes a comparison empty, and a rule whose answer is empty is not broken, as in SQL. \`x == null\`
  asks whether a field is empty.
- There is no now: the same file gives the same rows whenever it is loaded.
- At most 1,000 characters.

| function | gives |
|---|---|
`;

export function contractsPage(head: string): string {
  const functions = Object.entries(FUNCTIONS).map(([name, { takes, about }]) => {
    const parameters = takes.map((types) => (types.length > 1 ? "date" : types[0])).join(", ");
    return `| \`${name}(${parameters})\` | ${about} |`;
  });
  return [
    "# Contracts",
    head,
    INTRODUCTION,
    "",
    ...sections("Fields", "", jsonSchemaOf(declaredSchema)),
    RULES + functions.join("\n"),
    "",
  ].join("\n");
}

export const contractJsonSchema = (): string =>
  `${JSON.stringify({ title: "Contract of a Tributary table", ...jsonSchemaOf(declaredSchema) }, null, 2)}\n`;

/** A table of the object's fields, then the sections of those that are objects. */
function sections(title: string, path: string, schema: JsonSchema): string[] {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}) as [string, JsonSchema][];
  const rows = fields.map(([name, field]) => {
    const value = required.has(name) ? "(required)" : field.default === undefined ? "" : code(field.default);
    return `| \`${name}\` | ${taken(field)} | ${value} | ${cell(field.description ?? "")} |`;
  });
  const inner = fields.flatMap(([name, field]) => objectsIn(path === "" ? name : `${path}.${name}`, field));
  return [
    `## ${title}`,
    ...(schema.description === undefined || path === "" ? [] : [`${capital(schema.description)}.\n`]),
    "| field | takes | default | meaning |\n|---|---|---|---|",
    ...rows,
    "",
    ...inner.flatMap(({ title: own, path: at, schema: of }) => sections(own, at, of)),
  ];
}

interface Section {
  title: string;
  path: string;
  schema: JsonSchema;
}

function objectsIn(path: string, field: JsonSchema): Section[] {
  const items = field.items as JsonSchema | undefined;
  if (items) return objectsIn(`${path}[]`, items);
  const choices = choicesOf(field);
  if (choices.length > 0) {
    return choices.flatMap((choice) => {
      if (choice.type !== "object") return [];
      const type = (choice.properties?.["type"] as JsonSchema | undefined)?.const;
      const title = type === undefined ? `\`${path}\`` : `\`${path}\` of type \`${String(type)}\``;
      return [{ title, path, schema: choice }];
    });
  }
  return field.properties ? [{ title: `\`${path}\``, path, schema: field }] : [];
}

const choicesOf = (field: JsonSchema): JsonSchema[] => [...(field.anyOf ?? []), ...(field.oneOf ?? [])] as JsonSchema[];

export function taken(field: JsonSchema): string {
  const choices = choicesOf(field);
  if (choices.length > 0) return [...new Set(choices.map(taken))].join(" or ");
  if (field.const !== undefined) return code(field.const);
  if (field.enum) return field.enum.map(code).join(", ");
  if (field.items) return `list of ${taken(field.items as JsonSchema)}`;
  const { minimum, maximum } = field;
  const bounds = [
    minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? "" : ` from ${minimum}`,
    maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? "" : ` to ${maximum}`,
  ].join("");
  return `${[field.type ?? "any"].flat().join(" or ")}${bounds}`;
}

/** A text as a cell of a table. `<` would begin HTML, except in code. */
export const cell = (text: string): string =>
  text
    .replaceAll("|", "\\|")
    .split("`")
    .map((part, index) => (index % 2 === 0 ? part.replaceAll("<", "&lt;") : part))
    .join("`");
const code = (value: unknown): string => cell(`\`${JSON.stringify(value)}\``);
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
