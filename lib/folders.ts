import { accessSync, constants, mkdirSync, realpathSync } from "node:fs";
import { messageOf, TributaryError } from "./errors.ts";

/**
 * Creates a data folder if it is missing. Returns its path without symbolic links.
 * @throws FOLDER_UNUSABLE if it cannot be created or written, DISK_FULL
 */
export function writableFolder(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true });
    const path = realpathSync(folder);
    accessSync(path, constants.W_OK);
    return path;
  } catch (thrown) {
    const full = ["ENOSPC", "EDQUOT"].includes((thrown as NodeJS.ErrnoException).code ?? "");
    const what = full
      ? `no space for the folder ${folder}`
      : `cannot write to the folder ${folder}: ${messageOf(thrown)}`;
    throw new TributaryError(full ? "DISK_FULL" : "FOLDER_UNUSABLE", what, { cause: thrown });
  }
}
