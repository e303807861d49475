import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { Readable } from "node:stream";
import { text as readText } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import type { Client } from "./client.ts";
import { dialectParameters, withDialect, type DialectFlags } from "./files/dialect-flags.ts";
import { findFileId } from "./files/find-file.ts";
import { barText, progressText, waitsForText, whileShown } from "./progress.ts";
import { countText, EXIT, FORCE, lineText, openOutput, sizeText, UsageError, type OutFlags } from "./output.ts";
import { salesCsv } from "./sales.ts";
import { serve } from "./serve.ts";
import { action, durationOption, portText, positive, type Session } from "./session.ts";
import * as show from "./show.ts";
import { exitCodeOf, hasEnded, openFile, tellProblems, uploadFiles, waitForEnd, type FileAnswer } from "./upload.ts";

export function addServe(program: Command): void {
  const folder = resolve(process.env["TRIBUTARY_DATA_DIR"] || ".tributary");
  program
    .command("serve")
    .description("run gateway, parser, committer and scheduler in one process")
    .option("--port <port>", "port of the gateway (TRIBUTARY_PORT)", portText)
    .option("--host <address>", "address to listen on (TRIBUTARY_HOST)")
    .option(
      "--data <folder>",
      `data folder (TRIBUTARY_DATA_DIR; default: .tributary in the current folder; here: ${folder})`,
    )
    .addHelpText(
      "after",
      `
Contracts are read from the folder contracts in the current folder, if it exists (TRIBUTARY_CONTRACTS_DIR).
Environment variables set everything else: see docs/configuration.md.`,
    )
    .action(
      action(async (_session, { port, host, data }: { port?: string; host?: string; data?: string }) =>
        serve({
          ...(port === undefined ? {} : { TRIBUTARY_PORT: port }),
          ...(host === undefined ? {} : { TRIBUTARY_HOST: host }),
          ...(data === undefined ? {} : { TRIBUTARY_DATA_DIR: data }),
        }),
      ),
    );
}

const parameters = (flags: Readonly<Record<string, string | number>>): string =>
  new URLSearchParams(Object.entries(flags).map(([name, value]): [string, string] => [name, String(value)])).toString();

interface UploadFlags extends DialectFlags {
  name?: string;
  again?: true;
  idempotencyKey?: string;
  wait?: true;
  timeout: number;
}

export function addUpload(program: Command): void {
  withDialect(program.command("upload"))
    .description("upload files to a table; a file with the same name replaces the previous version")
    .argument("<table>")
    .argument("<files...>", "plain, gzip or zstd; - is standard input")
    .option("--name <name>", "name within the table (default: the file's name)")
    .option("--again", "load a file again whose newest version has the same content")
    .option("--idempotency-key <key>", "repetitions with this key are one upload (default: a random key)")
    .option("--wait", "wait until the rows can be queried")
    .addOption(durationOption("--timeout <duration>", "maximum wait for all files", "10m"))
    .addHelpText(
      "after",
      `
Examples:
  tributary upload sales data/sales_sample.csv --wait
  tributary upload sales january.csv february.csv.gz
  psql --csv -c "TABLE orders" | tributary upload orders - --name orders.csv`,
    )
    .action(
      action(async (session, table: string, files: string[], flags: UploadFlags) => {
        const progress = process.stderr.isTTY && !session.json;
        const { name, idempotencyKey, again = false } = flags;
        const options = { table, files, name, idempotencyKey, again, dialect: dialectParameters(flags), progress };
        const sent = await uploadFiles(session.client, options, ({ sourceFile, sizeBytes, repeated }) =>
          session.tell(
            repeated
              ? `${sourceFile} was there already with this content: no new version (--again makes one)`
              : `sent ${sourceFile} (${sizeText(sizeBytes)})`,
          ),
        );
        const deadline = performance.now() + flags.timeout;
        const ended: FileAnswer[] = [];
        for (const file of sent) {
          const wait = () => waitForEnd(session.client, file, deadline - performance.now());
          ended.push(flags.wait ? await whileShown(session, () => waitingText(session, file), wait) : file);
        }
        session.print(ended, (files) => show.filesText(files));
        tellProblems(session, ended);
        return exitCodeOf(session, flags.wait ? ended : ended.filter(hasEnded));
      }),
    );
}

/** How far a file is that the command waits for; undefined: it reports nothing, as most small files. */
async function waitingText({ client }: Session, { fileId, sourceFile }: FileAnswer): Promise<string | undefined> {
  const { progress, waitsFor } = await client.send<FileAnswer>("GET", `/v1/files/${fileId}`);
  if (waitsFor) return `${lineText(sourceFile)} ${waitsForText(waitsFor)}`;
  return progress ? `${lineText(sourceFile)} ${barText(progress)} ${progressText({ progress })}` : undefined;
}

interface PreviewFlags extends DialectFlags {
  table?: string;
  rows: number;
  explain?: true;
}

export function addPreview(program: Command): void {
  withDialect(program.command("preview"))
    .description("preview a file: dialect, types, changes to its table, rejects; nothing is stored")
    .argument("<file>", "only its first part is sent")
    .option("--table <table>", "target table")
    .option("--rows <n>", "number of rows to show", positive, 10)
    .option("--explain", "also show what decided how the file is read")
    .addHelpText("after", "\nThe exit code is 1 if the whole file would fail.")
    .action(
      action(async ({ client, print }, file: string, flags: PreviewFlags) => {
        const query = parameters({
          name: basename(file),
          rowsMax: flags.rows,
          ...(flags.table === undefined ? {} : { table: flags.table }),
          ...dialectParameters(flags),
        });
        const { body, sizeBytes } = await openFile(file);
        const options = { body, sizeBytes, contentType: "application/octet-stream" };
        const preview = await client.send<show.PreviewAnswer>("POST", `/v1/preview?${query}`, options);
        print(preview, flags.explain ? show.explainedText : show.previewText);
        return preview.error ? EXIT.no : EXIT.ok;
      }),
    );
}

export function addStatus(program: Command): void {
  program
    .command("status")
    .description("show the status of one file, or of the newest files")
    .argument("[id]", "id of the file, the beginning or end of one, table/name, or the file's name")
    .option("--table <table>", "only files of this table")
    .option("--status <status>", "received, parsing, parsed, blocked, committed, held, rejected or failed")
    .option("--limit <n>", "maximum number of files", positive, 20)
    .addHelpText("after", "\nWith an id, the exit code is 1 if the file failed or was rejected, and 6 if it is held.")
    .action(
      action(async (session, id: string | undefined, flags: Record<string, string | number>) => {
        const { client, print } = session;
        if (id === undefined) {
          const answer = await client.send<{ files: FileAnswer[] }>("GET", `/v1/files?${parameters(flags)}`);
          if (answer.files.length === 0 && flags["table"] !== undefined)
            await assertTable(client, String(flags["table"]));
          print(answer, ({ files }) => show.filesText(files, true));
          return EXIT.ok;
        }
        return showFile(session, id, flags["table"]?.toString());
      }),
    );
}

/** `files show`: the same as `status` with an id. */
export function addFileShow(files: Command): void {
  files
    .command("show")
    .description("show one file: its status, and all that it was read with")
    .argument("<id>", "id of the file, the beginning or end of one, table/name, or the file's name")
    .option("--table <table>", "only files of this table")
    .action(action((session, id: string, flags: { table?: string }) => showFile(session, id, flags.table)));
}

async function showFile({ client, print }: Session, id: string, table: string | undefined): Promise<number> {
  const path = `/v1/files/${encodeURIComponent(await findFileId(client, id, { table, lenient: true }))}`;
  const file = await client.send<FileAnswer & Record<string, unknown>>("GET", path);
  print(file, show.fileText);
  if (file.status === "held") return EXIT.held;
  return file.status === "failed" || file.status === "rejected" ? EXIT.no : EXIT.ok;
}

/** For an empty list, which must not say of an unknown table that it has nothing. @throws NOT_FOUND */
export async function assertTable(client: Client, table: string): Promise<void> {
  await client.send("GET", `/v1/tables/${encodeURIComponent(table)}`);
}

export function addTables(program: Command): void {
  program
    .command("tables")
    .description("list the tables, or show one: columns, rows, freshness, files in progress")
    .argument("[name]")
    .action(
      action(async ({ client, print }, name: string | undefined) => {
        if (name === undefined) {
          const answer = await client.send<{ tables: show.TableAnswer[] }>("GET", "/v1/tables");
          print(answer, ({ tables }) => show.tablesText(tables));
        } else {
          const path = `/v1/tables/${encodeURIComponent(name)}`;
          print(await client.send<show.TableAnswer>("GET", path), show.tableDetailText);
        }
        return EXIT.ok;
      }),
    );
}

const readStatement = (file: string): Promise<string> =>
  file === "-" ? readText(process.stdin) : readFile(file, "utf8");

export function addQuery(program: Command): void {
  program
    .command("query")
    .description("run one SELECT statement")
    .argument("[sql]", "the statement; - reads it from standard input")
    .option("-f, --file <file>", "read the statement from a file")
    .option("--limit <n>", "maximum number of rows", positive)
    .addHelpText("after", '\nExample:\n  tributary query "SELECT country, sum(amount) FROM sales GROUP BY country"')
    .action(
      action(
        async ({ client, print }, given: string | undefined, { limit, file }: { limit?: number; file?: string }) => {
          if ((given === undefined) === (file === undefined))
            throw new UsageError("pass one statement, or --file <file>");
          const sql = given === undefined || given === "-" ? await readStatement(file ?? "-") : given;
          const body = JSON.stringify({ sql, ...(limit === undefined ? {} : { rowsMax: limit }) });
          const options = { body, contentType: "application/json" };
          const answer = await client.send<show.QueryAnswer>("POST", "/v1/query", options);
          print(answer, (shown) => show.queryText(shown, limit));
          return EXIT.ok;
        },
      ),
    );
}

export function addGenerateSales(program: Command): void {
  program
    .command("generate-sales")
    .description("generate a synthetic sales file; the same seed gives the same file")
    .option("--rows <n>", "number of orders", positive, 200)
    .option("--seed <n>", "seed of the random numbers", positive, 1)
    .option("--out <file>", "output file (default: standard output)")
    .option(...FORCE)
    .addHelpText("after", "\nExample:\n  tributary generate-sales --rows 1000000 --out million.csv")
    .action(
      action(async (session, { rows, seed, out, force }: OutFlags & { rows: number; seed: number }) => {
        const csv = Readable.from(salesCsv({ rows, seed }));
        if (out === undefined) await pipeline(csv, process.stdout, { end: false });
        else await pipeline(csv, (await openOutput(out, force)).createWriteStream());
        if (out !== undefined) session.print({ rows, seed, out }, () => `wrote ${countText(rows, "row")} to ${out}`);
        return EXIT.ok;
      }),
    );
}
