/**
 * A saboteur is one small change that makes the product wrong in a known way. The simulation is worth
 * something only if it notices: each saboteur names the invariants that must catch it. The change is
 * made to the built module while it is loaded, so production code holds no switch for it.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ArenaProfileName } from "./arena-profile.js";

/** The published system whose users met this fault, as far as it is known. */
export interface Precedent {
  readonly system: string;
  /** Where it is told: an issue, a pull request, a report. */
  readonly reference: string;
}

export interface Edit {
  /** Source of the changed module, relative to the repository. */
  readonly file: string;
  /** Occurs exactly once in the file, white space aside; free of types, as it must occur in the built module too. */
  readonly find: string;
  readonly replace: string;
}

/** The arena under one of its profiles, or the whole system, in random schedules or in a directed scenario. */
export type Hunt =
  | { readonly where: "arena"; readonly profile: ArenaProfileName }
  | {
      readonly where: "system";
      readonly scenario?: string;
      /** Logs keep a few entries instead of many thousands, so that copies are filled by snapshots. */
      readonly shortLog?: true;
    };

export interface Saboteur {
  readonly id: string;
  readonly title: string;
  /** More than one where two guards stand behind each other: with one of them left nothing can go wrong. */
  readonly edits: readonly [Edit, ...Edit[]];
  /** One of these must catch it. */
  readonly expected: readonly string[];
  /** Where it is looked for. */
  readonly hunt: Hunt;
  /** The fault it stands for, in one sentence. */
  readonly standsFor: string;
  readonly precedent?: Precedent;
  /** The changed code is the simulation's own, standing for a part of the node that it does not run. */
  readonly inSimulation?: true;
}

const RETENTION = "dataplane/src/worker/log-retention.ts";

/** No sabotage: a setting that production does not offer. */
export const SHORT_LOG: readonly Edit[] = [
  {
    file: RETENTION,
    find: "this.#fromSeq(operationLogBytes, operationLogEntries)",
    replace: "this.#fromSeq(operationLogBytes, 4)",
  },
  {
    file: RETENTION,
    find: "PINNED_TIMES * operationLogEntries",
    replace: "8",
  },
];

export class SaboteurMismatchError extends Error {
  constructor(id: string, { file, find }: Edit, occurrences: number) {
    const what = occurrences === 0 ? "is gone" : `occurs ${occurrences} times`;
    super(`saboteur ${id} no longer applies: ${JSON.stringify(find)} ${what} in ${file}`);
  }
}

const REPOSITORY = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

export function sourcePath({ file }: Edit): string {
  return join(REPOSITORY, file);
}

/** The module that runs: what the compiler made of the source. */
export function builtPath({ file }: Edit): string {
  return join(REPOSITORY, file.replace("/src/", "/dist/").replace(/\.ts$/, ".js"));
}

/**
 * `text` with the change made. White space does not count in the search: the compiler lays lines out
 * its own way. @throws {SaboteurMismatchError} when the text to replace is not there exactly once.
 */
export function sabotage(id: string, edit: Edit, text: string): string {
  const { compact, positions } = withoutSpace(text);
  const wanted = withoutSpace(edit.find).compact;
  const found: number[] = [];
  for (let at = compact.indexOf(wanted); at >= 0; at = compact.indexOf(wanted, at + 1)) found.push(at);
  const [at] = found;
  if (at === undefined || found.length > 1) throw new SaboteurMismatchError(id, edit, found.length);
  const from = positions[at]!;
  const to = positions[at + wanted.length - 1]! + 1;
  return text.slice(0, from) + edit.replace + text.slice(to);
}

function withoutSpace(text: string): { readonly compact: string; readonly positions: readonly number[] } {
  const positions: number[] = [];
  let compact = "";
  for (let at = 0; at < text.length; at += 1) {
    if (/\s/.test(text[at]!)) continue;
    compact += text[at]!;
    positions.push(at);
  }
  return { compact, positions };
}
