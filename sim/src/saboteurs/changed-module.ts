/** Lets this process load modules with a changed text; to be called before anything has loaded them. */
import { readFileSync, realpathSync } from "node:fs";
import { register } from "node:module";
import { pathToFileURL } from "node:url";
import type { ChangedModules } from "./module-hook.js";
import { builtPath, sabotage, type Edit } from "./saboteur.js";

/** @throws {SaboteurMismatchError} */
export function loadSabotaged(id: string, edits: readonly Edit[]): void {
  const texts = new Map<string, string>();
  for (const edit of edits) {
    const path = builtPath(edit);
    texts.set(path, sabotage(id, edit, texts.get(path) ?? readFileSync(path, "utf8")));
  }
  loadChanged(texts);
}

/** `texts` by path. */
export function loadChanged(texts: ReadonlyMap<string, string>): void {
  const data: ChangedModules = new Map(
    [...texts].map(([path, text]) => [pathToFileURL(realpathSync(path)).href, text]),
  );
  register("./module-hook.js", import.meta.url, { data });
}
