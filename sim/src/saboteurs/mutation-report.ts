/** sim/mutations.md: how many mutations were noticed by what, and which ones survived. */
import { MUTATION_NOTES } from "./mutation-notes.js";
import type { MutationAnswer } from "./mutation-process.js";

export interface MutationTrial {
  /** Source of the changed module, relative to the repository. */
  readonly file: string;
  readonly what: string;
  readonly line: string;
  readonly answer: MutationAnswer;
}

const HEAD = `# Mutations of the protocol core

\`make sim-mutations\` changes the built modules of \`dataplane/src/domain/replication/\` and of the operator's record and
promotion, one small change at a time: comparisons swapped, conditions negated, statements dropped, \`max\` for \`min\`, one
more or one less. Each is held against a short run of the arena (see saboteurs.md) and, if that notices nothing, against
the unit tests of both packages' domains. Which ones are tried is drawn with a fixed seed. It writes this page.
`;

export function mutationPage(trials: readonly MutationTrial[], all: number): string {
  const survivors = trials.filter(({ answer }) => answer.kind === "survived");
  const counts = new Map<string, number>();
  for (const { answer } of trials) {
    const by = answer.kind === "survived" ? "survived" : answer.by;
    counts.set(by, (counts.get(by) ?? 0) + 1);
  }
  const byCount = [...counts].sort(([, one], [, other]) => other - one);
  const rows = survivors.map((trial) => [
    `${trial.file.split("/").at(-1)}`,
    code(trial.what),
    code(trial.line),
    noteOn(trial),
  ]);
  return [
    HEAD,
    `${trials.length} of ${all} possible mutations were tried; ${trials.length - survivors.length} were noticed.\n`,
    table(
      ["Noticed by", "Mutations"],
      byCount.map(([by, count]) => [by, String(count)]),
    ),
    "\nThe survivors:\n",
    table(["File", "Change", "Line", "Why nothing notices"], rows),
    "",
  ].join("\n");
}

function noteOn(trial: MutationTrial): string {
  const note = MUTATION_NOTES.find(
    ({ file, line, what }) =>
      trial.file.endsWith(file) &&
      trial.line.includes(line) &&
      (what === undefined || trial.what.includes(what)),
  );
  return note?.why ?? "**Not explained yet.**";
}

function code(text: string): string {
  return `\`${text.replaceAll("`", "'")}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
