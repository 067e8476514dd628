/** The figures of the failover benchmark as tables: for a terminal, and as docs/failover.md. */
import { percentile } from "../latency.js";
import { count, machineLine, markdownTable, ms, table, wrap } from "../report.js";
import type { FailoverResults, Fault, Phase, ShardStall } from "./failover-results.js";

interface Section {
  readonly title: string;
  readonly text: readonly string[];
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A kill is noticed by its broken connections; it should cost no more than this. */
const KILL_AIM_MS = 300;
/** A freeze costs what it takes to be noticed, and this. */
const FREEZE_AIM_MARGIN_MS = 1000;

export function aimMs({ kind, health }: Pick<Phase, "kind" | "health">): number {
  if (kind === "kill") return KILL_AIM_MS;
  return health.heartbeatIntervalMs * health.failureThreshold + FREEZE_AIM_MARGIN_MS;
}

export function renderFailoverText(results: FailoverResults): string {
  const parts = sectionsOf(results).map(
    ({ title, header, rows }) => `${title}\n\n${table(header, rows, "  ")}\n`,
  );
  return `\n${parts.join("\n")}\n${machineLine(results)}\n`;
}

export function renderFailoverMarkdown(results: FailoverResults): string {
  const sections = sectionsOf(results).map(({ title, text, header, rows }) =>
    [`## ${title}`, ...text.map((line) => wrap(line)), markdownTable(header, rows)].join("\n\n"),
  );
  const head = [
    "# Failover",
    "<!-- Written by `make bench-failover`. Do not edit. -->",
    wrap(
      `One run of \`${results.command}\` on ${results.takenAt.slice(0, 10)}, ${count(results.seconds / 60)} ` +
        "minutes long: three nodes in three zones, one collection of three shards, three copies of each, on one " +
        "machine. Meanwhile two writers per shard each send a write a millisecond after their last answer, through the " +
        "SDK with its defaults; every 20 milliseconds there are a search and a strong read. Each write asks for the version that the " +
        "last one of its document answered, so what is lost or executed twice is refused at the next write. Control " +
        "plane, nodes and load share the machine's processors: a node that starts again takes them from the others.",
    ),
    wrap(machineLine(results)),
    ...results.phases
      .filter(({ trouble }) => trouble !== "")
      .map(({ name, faults, trouble }) => wrap(`Ended after ${faults.length} faults, ${name}: ${trouble}`)),
    "[failover.json](failover.json) has every single fault.",
  ];
  return `${[...head, ...sections].join("\n\n")}\n`;
}

/** One fault to a line: a full run has hundreds. Nothing that was measured is known better than to a tenth. */
export function renderFailoverJson(results: FailoverResults): string {
  const rounded = (_: string, value: unknown): unknown =>
    typeof value === "number" ? Math.round(value * 10) / 10 : value;
  const phases = results.phases.map(({ faults, ...phase }) => {
    const lines = faults.map((fault) => `      ${JSON.stringify(fault, rounded)}`);
    const head = JSON.stringify(phase, rounded).slice(0, -1);
    return `    ${head}, "faults": [\n${lines.join(",\n")}\n    ]}`;
  });
  const { phases: _, ...rest } = results;
  const head = JSON.stringify(rest, rounded, 2).slice(0, -2);
  return `${head},\n  "phases": [\n${phases.join(",\n")}\n  ]\n}\n`;
}

function sectionsOf(results: FailoverResults): Section[] {
  return [stalls(results), where(results), safety(results), recovery(results), ...leader(results)];
}

const STALL_HEADER = ["", "faults", "shards", "p50", "p99", "max", "aim (p99)"];

function stalls({ phases }: FailoverResults): Section {
  const rows = phases.flatMap((phase) => {
    const of = (lost: ShardStall["lost"]): number[] =>
      phase.faults.flatMap(({ shards }) =>
        shards.filter((shard) => shard.lost === lost).map(({ stallMs }) => stallMs),
      );
    const all = phase.faults.map(({ shards }) => Math.max(...shards.map(({ stallMs }) => stallMs)));
    const aim = ms(aimMs(phase));
    return [
      stallRow(`${phase.name}: primary lost`, phase, of("primary"), aim),
      stallRow(`${phase.name}: replica lost`, phase, of("replica"), aim),
      stallRow(`${phase.name}: until all shards go on`, phase, all, aim),
    ];
  });
  return {
    title: "How long writes stood still",
    text: [
      "From the last acknowledgement before the fault to the first one of a write that was sent after it. A shard " +
        "that loses its primary waits for a promotion; one that loses another copy waits until that has left the " +
        "in-sync set, because nothing is acknowledged that is not on all of it.",
    ],
    header: STALL_HEADER,
    rows,
  };
}

function stallRow(name: string, { faults }: Phase, values: readonly number[], aim: string): string[] {
  const shown = values.length === 0 ? ["–", "–", "–"] : [0.5, 0.99, 1].map((p) => ms(percentile(values, p)));
  return [name, count(faults.length), count(values.length), ...shown, aim];
}

function where({ phases }: FailoverResults): Section {
  const rows = phases.map((phase) => {
    const noticed = present(phase.faults.map(({ noticedMs }) => noticedMs));
    const shards = phase.faults.flatMap(({ shards }) => shards);
    const decided = present(shards.map(({ decidedMs }) => decidedMs));
    const longest = shards.map(({ longestMs }) => longestMs);
    return [
      phase.name,
      ...[0.5, 0.99].map((p) => ms(percentile(noticed, p))),
      ...[0.5, 0.99].map((p) => ms(percentile(decided, p))),
      ms(percentile(longest, 0.99)),
      ms(Math.max(0, ...longest)),
      ms(phase.quietGapMs),
    ];
  });
  return {
    title: "Where the time goes",
    text: [
      "When the control plane took the node for suspect, and when it had changed a shard's record, from the fault. " +
        "Longest: the longest time without an acknowledgement of one shard until all copies were back, that is " +
        "with the node's return. Quiet: the same in three seconds without any fault.",
    ],
    header: [
      "",
      "noticed p50",
      "noticed p99",
      "decided p50",
      "decided p99",
      "longest p99",
      "longest max",
      "quiet",
    ],
    rows,
  };
}

function safety({ phases, leader }: FailoverResults): Section {
  const all = [
    ...phases.map(({ name, counts, lost }) => ({ name, counts, lost })),
    ...(leader === undefined
      ? []
      : [{ name: "control plane and node", counts: leader.counts, lost: leader.lost }]),
  ];
  const rows = all.map(({ name, counts, lost }) => [
    name,
    count(counts.acknowledged),
    lost === undefined ? "?" : count(lost),
    count(counts.conflicts),
    `${count(counts.staleStrongReads)} + ${count(counts.failedStrongReads)} of ${count(counts.strongReads)}`,
    count(counts.unknown),
    count(Object.values(counts.refused).reduce((sum, one) => sum + one, 0)),
    `${count(counts.failedSearches)} + ${count(counts.partialSearches)} of ${count(counts.searches)}`,
  ]);
  return {
    title: "What was lost",
    text: [
      "Lost: acknowledged writes that a copy does not have in the end, looked for on every node. Twice: writes " +
        "refused because the document was not at the version that was last acknowledged, which is what a lost " +
        "write and one executed twice look like. Unknown: writes whose outcome the SDK could not find out within its 30 " +
        "seconds. Strong reads: stale + failed, each with two seconds' time. Searches: failed + partial.",
    ],
    header: ["", "acknowledged", "lost", "twice", "strong reads", "unknown", "refused", "searches"],
    rows,
  };
}

function recovery({ phases }: FailoverResults): Section {
  const rows = phases.map(({ name, faults }) => {
    const times = faults.map(({ recoveredMs }) => recoveredMs);
    const bytes = faults.map((fault: Fault) => fault.recoveryBytes);
    return [
      name,
      ...[0.5, 0.99, 1].map((p) => ms(percentile(times, p))),
      ...[0.5, 1].map((p) => `${count(percentile(bytes, p) / 1024)} KiB`),
    ];
  });
  return {
    title: "Until all copies were back",
    text: [
      "From the new start of a killed node, or the going on of a frozen one, until every copy was in sync again; and " +
        "the bytes that were sent to the copies meanwhile to fill them.",
    ],
    header: ["", "p50", "p99", "max", "bytes p50", "bytes max"],
    rows,
  };
}

function leader({ leader: phase }: FailoverResults): Section[] {
  if (phase === undefined) return [];
  const values = phase.losses.flatMap(({ stallsMs }) => stallsMs);
  return [
    {
      title: "Control plane and node lost together",
      text: [
        "In local mode the nodes are processes below the control plane and end with it: nothing would hold the data " +
          "that nobody watches over. So this is a restart of everything, begun as soon as the control plane was gone; " +
          "the figures are the longest time without an acknowledgement, per shard.",
      ],
      header: ["", "losses", "p50", "max"],
      rows: [
        [
          "default health settings",
          count(phase.losses.length),
          ms(percentile(values, 0.5)),
          ms(Math.max(0, ...values)),
        ],
      ],
    },
  ];
}

function present(values: readonly (number | undefined)[]): number[] {
  return values.filter((value) => value !== undefined);
}
