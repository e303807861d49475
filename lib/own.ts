/**
 * Plain objects inherit names such as `constructor` and `__proto__`, and data may have any name. So names
 * from data never index an object directly (lint rule local/own-keys): use a Map, or these functions.
 */

/** True if the object itself, not its prototype, has this property. */
export const hasOwn = <T extends object>(object: T, name: PropertyKey): name is keyof T => Object.hasOwn(object, name);

/** The object's own property of this name; undefined if it has none. */
export const ownOf = <T>(object: Readonly<Record<string, T>>, name: string): T | undefined =>
  // eslint-disable-next-line local/own-keys -- the check that the rule asks for
  Object.hasOwn(object, name) ? object[name] : undefined;
