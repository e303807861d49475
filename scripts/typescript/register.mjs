/**
 * Loads the repository's TypeScript from a cache: `node --import ./scripts/typescript/register.mjs`.
 * The tests start several hundred processes; each takes 0.2 s less CPU time than with tsx.
 */
import { register } from "node:module";

process.setSourceMapsEnabled(true);
register("./hooks.mjs", import.meta.url);
