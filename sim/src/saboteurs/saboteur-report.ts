/** What became of the saboteurs: a line each for the terminal, and sim/saboteurs.md. */
import type { Hunt, Saboteur } from "./saboteur.js";
import type { TrialAnswer } from "./trial-process.js";

export interface SaboteurTrial {
  readonly saboteur: Saboteur;
  readonly answer: TrialAnswer;
}

export interface ControlTrial {
  readonly hunt: Hunt;
  readonly answer: TrialAnswer;
}

export type Verdict =
  | { readonly kind: "caught"; readonly invariant: string }
  /** By an invariant that the saboteur does not name: either the list or the check is wrong. */
  | { readonly kind: "caughtByAnother"; readonly invariant: string }
  | { readonly kind: "survived" }
  | { readonly kind: "failed"; readonly message: string };

export function verdictOf({ saboteur, answer }: SaboteurTrial): Verdict {
  if (answer.kind === "failed") return answer;
  const { caughtBy } = answer.result;
  if (caughtBy === undefined) return { kind: "survived" };
  const kind = saboteur.expected.includes(caughtBy) ? "caught" : "caughtByAnother";
  return { kind, invariant: caughtBy };
}

export function isClean({ answer }: ControlTrial): boolean {
  return answer.kind === "done" && answer.result.caughtBy === undefined && answer.result.aborted === 0;
}

export function huntName(hunt: Hunt): string {
  if (hunt.where === "arena") return `arena, ${hunt.profile}`;
  return `system, ${hunt.scenario ?? "random"}${hunt.shortLog === true ? ", short logs" : ""}`;
}

export function saboteurLine(trial: SaboteurTrial): string {
  const { saboteur, answer } = trial;
  const verdict = verdictOf(trial);
  const name = `${saboteur.id.padEnd(5)} ${saboteur.title}`;
  switch (verdict.kind) {
    case "caught":
      return `caught    ${name}: ${verdict.invariant}, ${howMany(answer)}`;
    case "caughtByAnother":
      return `WRONG     ${name}: ${verdict.invariant} is not what should catch it, ${howMany(answer)}`;
    case "survived":
      return `SURVIVED  ${name}: ${howMany(answer)} (${huntName(saboteur.hunt)})`;
    case "failed":
      return `FAILED    ${name}: ${verdict.message}`;
  }
}

export function controlLine(trial: ControlTrial): string {
  const { hunt, answer } = trial;
  if (isClean(trial)) return `clean     no saboteur, ${huntName(hunt)}: ${howMany(answer)}`;
  const why = answer.kind === "failed" ? answer.message : `${answer.result.caughtBy} ${answer.result.detail}`;
  return `BROKEN    no saboteur, ${huntName(hunt)}: ${why}`;
}

function howMany(answer: TrialAnswer): string {
  if (answer.kind === "failed") return answer.message;
  const { schedules, aborted } = answer.result;
  const ended = aborted === 0 ? "" : `, ${aborted} ended in an exception`;
  return `${schedules} ${schedules === 1 ? "schedule" : "schedules"}${ended}`;
}

const HEAD = `# Saboteurs

Each line is one small change that makes Prism wrong in a known way, made to the built module while it is loaded.
\`make sim-saboteurs WRITE=1\` tries them one by one and writes this page. A saboteur counts as caught only if an invariant breaks
by name; a schedule that ends in an exception of the changed code counts for nothing.

Schedules have the seeds 1, 2, 3, ... and are the same in every run. "System" is the simulation of the whole of Prism.
"Arena" is one shard in a small world: the real copies and the real record, around them a network, disks, operators and
clients that do in microseconds what the whole system does in milliseconds; each of its profiles leans towards some
faults. The numbers of the first column are those of the protocol's own list.
`;

/** Of the protocol's list. */
const LEFT_OUT: readonly (readonly [id: string, why: string])[] = [
  [
    "S11",
    "A copy can ask its disk to drop everything above a number, and nothing else: there is no way to say it.",
  ],
  [
    "S24, give-up that changes nothing",
    "The primary waits until a map shows the copy in neither set: a give-up that changes nothing makes it wait on.",
  ],
  ["S43, S44", "Prism does not resume a term after a restart."],
  ["S50 to S56", "Prism has no leases."],
  [
    "S57",
    "Not caught in 100 schedules: the simulation's index stands for the real one, whose own tests hold that a file above the checkpoint is not loaded.",
  ],
  [
    "S60 in the coordinator",
    "Not caught in 150 schedules: the last refusal must be followed by a commit. The coordinator's own tests hold that a doubtful write never ends as refused.",
  ],
];

export function saboteurPage(trials: readonly SaboteurTrial[], controls: readonly ControlTrial[]): string {
  const caught = trials.filter((trial) => verdictOf(trial).kind === "caught").length;
  const rows = trials.map((trial) => {
    const { saboteur, answer } = trial;
    const { id, title, standsFor, precedent, hunt, inSimulation } = saboteur;
    const verdict = verdictOf(trial);
    const by = verdict.kind === "caught" ? verdict.invariant : `**${verdict.kind}**`;
    const schedules = answer.kind === "done" ? String(answer.result.schedules) : "-";
    const known = precedent === undefined ? "" : ` ${precedent.system}: ${precedent.reference}.`;
    const where = `${huntName(hunt)}${inSimulation === true ? " (the changed code is the simulation's)" : ""}`;
    return [id, title, `${standsFor}${known}`, by, where, schedules];
  });
  const clean = controls.map(({ hunt, answer }) => [
    huntName(hunt),
    answer.kind === "done" ? String(answer.result.schedules) : "-",
  ]);
  return [
    HEAD,
    `${caught} of ${trials.length} are caught.\n`,
    table(["#", "Change", "Stands for", "Caught by", "Where", "Schedules"], rows),
    "\nWithout a saboteur the same schedules break nothing:\n",
    table(["Where", "Schedules"], clean),
    "\nLeft out of the protocol's list:\n",
    table(["#", "Why"], LEFT_OUT),
    "",
  ].join("\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
