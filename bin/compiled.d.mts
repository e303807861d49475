/** See compiled.mjs. */
export function isCompiled(root: string): boolean;
