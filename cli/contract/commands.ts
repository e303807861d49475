import { createReadStream, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { countText, EXIT, lineText, UsageError } from "../output.ts";
import { action } from "../session.ts";

/** Commands for contract files, without a server. Their modules are loaded late: most commands need none. */
export function addContract(program: Command): void {
  const contract = program.command("contract").alias("contracts").description("check and suggest table contracts");
  addCheck(contract);
  addSuggest(contract);
  contract
    .command("schema")
    .description("print the JSON Schema of contracts, for editors")
    .action(
      action(async () => {
        process.stdout.write(readFileSync(new URL("../../docs/contract.schema.json", import.meta.url), "utf8"));
        return EXIT.ok;
      }),
    );
}

function addCheck(contract: Command): void {
  contract
    .command("check")
    .description("print every fault of a contract, or of the contracts of a folder; the exit code is 1 if there is one")
    .argument("[path]", "file or folder (default: TRIBUTARY_CONTRACTS_DIR, or contracts)")
    .action(
      action(async ({ print }, given: string | undefined) => {
        const { liveContracts, otherNames, readContractFiles } = await import("../../lib/contract/load.ts");
        const path = resolve(given ?? (process.env["TRIBUTARY_CONTRACTS_DIR"] || "contracts"));
        if (!existsSync(path)) throw new UsageError(`there is no file or folder '${path}'`);
        const files = statSync(path).isFile() ? [{ path, text: readFileSync(path, "utf8") }] : readContractFiles(path);
        const contracts = liveContracts(files);
        const valid = contracts.declared().map(({ table }) => table);
        const faults = contracts
          .faults()
          .map(({ table, path: at, faults: found }) => ({ table, path: at, faults: found }));
        const notes = otherNames(files);
        print({ folder: path, valid, faults, notes }, () =>
          [
            ...notes.map((note) => `note: ${lineText(note)}`),
            ...faults.flatMap(({ faults: found }) => found.map(lineText)),
            `${countText(valid.length, "valid contract")}, ${faults.length} faulty, in ${path}`,
          ].join("\n"),
        );
        return faults.length > 0 ? EXIT.no : EXIT.ok;
      }),
    );
}

interface SuggestFlags {
  table?: string;
  contract?: string;
  write?: string;
}

function addSuggest(contract: Command): void {
  contract
    .command("suggest")
    .description("print a contract for a data file: types, headers, dialect, null markers, number and date formats")
    .argument("<file>", "its first part is read")
    .option("--table <table>", "name of the table (default: from the file's name)")
    .option("--contract <contract>", "an existing contract; what it says stays")
    .option("--write <contract>", "add what is missing to this contract file, or make it")
    .addHelpText("after", "\nExample:\n  tributary contract suggest orders.csv > contracts/orders.yml")
    .action(
      action(async (session, file: string, flags: SuggestFlags) => {
        const { suggestContract } = await import("../../lib/parsing/suggest.ts");
        const base = flags.contract ?? flags.write;
        if (!existsSync(file)) throw new UsageError(`there is no file '${file}'`);
        if (flags.contract !== undefined && !existsSync(flags.contract)) {
          throw new UsageError(`there is no contract '${flags.contract}'`);
        }
        const before = base !== undefined && existsSync(base) ? readFileSync(base, "utf8") : undefined;
        const given = { fileName: basename(file), table: flags.table, before };
        const { text, notes, error } = await suggestContract(createReadStream(file), given);
        for (const note of notes) session.tell(note);
        if (error !== undefined) {
          session.tell(error);
          return EXIT.no;
        }
        if (flags.write === undefined) process.stdout.write(text);
        else {
          writeFileSync(flags.write, text);
          session.tell(`wrote ${flags.write}`);
        }
        return EXIT.ok;
      }),
    );
}
