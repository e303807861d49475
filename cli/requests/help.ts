import type { Command } from "commander";

/**
 * Replaces Commander's `help` of the program and of its groups, which shows the group's help for a command
 * that it does not know. Call it when all commands are there.
 */
export function addHelp(program: Command): void {
  for (const group of [program, ...program.commands].filter(hasHelp)) {
    group.helpCommand(false);
    group
      .command("help")
      .helpOption(false)
      .description("display help for command")
      .argument("[command]")
      .action(async (name: string | undefined) => {
        if (name === undefined) return group.help();
        const meant = group.commands.find((command) => [command.name(), ...command.aliases()].includes(name));
        if (meant) return meant.help();
        // The group itself says what it does not know, and what may be meant.
        await group.parseAsync([name], { from: "user" });
      });
  }
}

/** Commands that do something themselves have no `help`: it would be an argument of theirs. */
const hasHelp = (command: Command): boolean =>
  command
    .createHelp()
    .visibleCommands(command)
    .some((one) => one.name() === "help");
