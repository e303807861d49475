import type { Command } from "../../../lib/messages/generated.ts";
import type { WriterContext } from "../commit/writer.ts";

/** The commands of a table: the next one, and how to carry it out. */
export interface TableCommands {
  next(table: string): Command | undefined;
  /**
   * Carries out one step of the command, and publishes its result after the last. Throws only when
   * `writer.signal` aborts.
   */
  carryOut(command: Command, writer: WriterContext): Promise<void>;
}
