import { z } from "zod";
import { TributaryError } from "../../../lib/errors.ts";
import type { FileStatus } from "../http/schemas.ts";
import type { Ledger } from "./ledger.ts";
import type { FileView } from "./view.ts";

export const fileIdSchema = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, "not a valid file id");

/** A file's status, of a recent file or from the ledger. @throws NOT_FOUND */
export async function knownFile(view: FileView, ledger: Ledger, fileId: string): Promise<FileStatus> {
  const known = view.get(fileId) ?? (await ledger.file(fileId));
  if (!known) throw new TributaryError("NOT_FOUND", `file not found: ${fileId}`);
  return known;
}
