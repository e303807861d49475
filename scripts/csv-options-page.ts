/** docs/files/csv-options.md, from the schema of the options, the API's parameters and the CLI's flags. */
import { Command } from "commander";
import { dialectParameters as sentBy, withDialect } from "../cli/files/dialect-flags.ts";
import { jsonSchemaOf, type JsonSchema } from "../lib/contract/issues.ts";
import { csvOptionsSchema } from "../lib/formats/csv/options.ts";
import { dialectParameters } from "../services/gateway/http/parameters.ts";
import { cell, taken } from "./contracts-page.ts";

const INTRODUCTION = `Nobody has to declare how a CSV file is written: what is not declared is detected
([structure](csv-structure.md), [encodings](encodings.md)). What is declared holds: by the sender for one file, else
by the contract for all files of its table.

| where | how |
|---|---|
| contract | \`dialect: { delimiter: ";", skipRows: 2 }\` ([contracts](../contracts.md)) |
| API | query parameters of the upload, \`POST /v1/preview\`, \`POST /v1/files/{id}/accept\`, \`GET /v1/files/{id}/preview\` |
| CLI | options of \`upload\`, \`preview\`, \`files accept\` and \`files preview\` |
| console | "File format settings" of the upload, and the settings of a held file |
| with the file | the charset of its Content-Type, also of a form's part or a dropped object: the encoding |

A file's status shows all that it was read with (\`dialect\`; \`tributary files show <id>\`; "Read with" on the file's
page), also what was not declared, with the null markers of the contract. \`_ingest_files\` has the same as JSON in
the column \`dialect\`.
`;

const NOTES = `
In the API and the CLI \`quote\`, \`comment\` and \`footer\` may be \`none\`, and \`\\t\`, \`\\x01\` and \`\\u00a7\` in a delimiter
stand for one character. Null markers, true and false words, numbers and dates are no part of the dialect: the
contract declares them ([contracts](../contracts.md)).
`;

/** One row an option: what it takes, what it means, and its names. */
export function csvOptionsPage(head: string): string {
  const options = Object.entries(jsonSchemaOf(csvOptionsSchema).properties ?? {}) as [string, JsonSchema][];
  const flags = flagsByParameter();
  const rows = options.map(([name, schema]) => {
    const parameter = name in dialectParameters ? `\`${name}\`` : "";
    const meaning = schema.description ?? MEANINGS[name] ?? "";
    return `| \`${name}\` | ${parameter} | ${flags.get(name) ?? ""} | ${taken(schema)} | ${cell(meaning)} |`;
  });
  return [
    "# CSV options",
    head,
    INTRODUCTION,
    "| contract | API | CLI | takes in a contract | meaning |\n|---|---|---|---|---|",
    ...rows,
    NOTES,
  ].join("\n");
}

/** What the schema of contracts leaves to the parameter's own words. */
const MEANINGS: Readonly<Record<string, string>> = {
  delimiter: "1 to 16 characters between fields, or one of comma, semicolon, tab, pipe, space",
};

/** By parameter: the flag that sends it. */
function flagsByParameter(): Map<string, string> {
  const { options } = withDialect(new Command());
  const flags = new Map<string, string>();
  for (const option of options) {
    const sent = Object.keys(sentBy({ [option.attributeName()]: "x" }));
    for (const name of sent) if (!flags.has(name)) flags.set(name, `\`${option.long ?? ""}\``);
  }
  return flags;
}
