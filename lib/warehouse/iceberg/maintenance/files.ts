import { duckdb } from "../../duckdb-engine/dialect.ts";
import type { Snapshot } from "../catalog/schemas.ts";
import type { Session } from "../session.ts";

/** A file that a manifest names and that its snapshot has. */
export interface ManifestFile {
  path: string;
  /** False: a file of deletes. */
  isData: boolean;
  bytes: number;
  /** A text that is equal for files of one partition. */
  partition: string;
}

/** The paths of the manifests of these snapshots, each once. */
export async function manifestsOf(session: Session, snapshots: readonly Snapshot[]): Promise<string[]> {
  const lists = snapshots.flatMap(({ manifestList }) => manifestList ?? []);
  if (lists.length === 0) return [];
  const rows = await session.rows(`SELECT DISTINCT manifest_path FROM read_avro([${duckdb.stringList(lists)}])`);
  return rows.map(([path]) => path as string);
}

/**
 * Every file that these snapshots have: manifest lists, manifests, data files and files of deletes. A
 * manifest's entry of status 2 is a file that is no longer there.
 */
export async function allFilesOf(session: Session, snapshots: readonly Snapshot[]): Promise<string[]> {
  const lists = snapshots.flatMap(({ manifestList }) => manifestList ?? []);
  const manifests = await manifestsOf(session, snapshots);
  const files: string[] = [];
  for (const manifest of manifests) {
    const select = `SELECT data_file.file_path FROM read_avro(${duckdb.stringLiteral(manifest)}) WHERE status <> 2`;
    for (const [path] of await session.rows(select)) files.push(String(path));
  }
  return [...lists, ...manifests, ...files];
}

/** The files of these snapshots, each once. */
export async function filesOf(session: Session, snapshots: readonly Snapshot[]): Promise<ManifestFile[]> {
  const manifests = await manifestsOf(session, snapshots);
  const found = new Map<string, ManifestFile>();
  // Manifests of different partition specs have different schemas, so each is read alone.
  for (const manifest of manifests) {
    const rows = await session.rows(
      `SELECT data_file.file_path, data_file.content, data_file.file_size_in_bytes, CAST(data_file.partition AS VARCHAR)
       FROM read_avro(${duckdb.stringLiteral(manifest)}) WHERE status <> 2`,
    );
    for (const [path, content, bytes, partition] of rows) {
      const file = {
        path: String(path),
        isData: Number(content) === 0,
        bytes: Number(bytes),
        partition: String(partition),
      };
      found.set(file.path, file);
    }
  }
  return [...found.values()];
}
