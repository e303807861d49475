/**
 * Names of tables that are not anybody's to give: our own tables (`_ingest_files` …), which Trino's catalog stores under the
 * prefix `tributary_`. A user's table of such a name would be the same table.
 */
const RESERVED = /^(_|tributary_)/;

/** True for a name that belongs to Tributary's own tables. */
export const isReservedTable = (name: string): boolean => RESERVED.test(name);
