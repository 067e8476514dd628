/** Runs in the loader's thread: gives some modules another text than their files have. */
import type { InitializeHook, LoadHook } from "node:module";

/** Text by URL. */
export type ChangedModules = ReadonlyMap<string, string>;

let changed: ChangedModules = new Map();

export const initialize: InitializeHook<ChangedModules> = (data) => {
  changed = data;
};

export const load: LoadHook = (url, context, nextLoad) => {
  const source = changed.get(url);
  if (source === undefined) return nextLoad(url, context);
  return { format: "module", shortCircuit: true, source };
};
