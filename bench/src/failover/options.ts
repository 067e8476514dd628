/** The command line of the failover benchmark. */
import { parseArgs } from "node:util";

export interface FailoverOptions {
  /** SIGKILLs of nodes, per health setting. */
  readonly kills: number;
  /** SIGSTOPs of nodes, per health setting. */
  readonly freezes: number;
  /** Losses of the control plane together with a node. */
  readonly leaderLosses: number;
  readonly seed: number;
  readonly writesDocs: boolean;
}

const DEFAULTS = { kills: 300, freezes: 50, leaderLosses: 10, seed: 1 } as const;
const MOST = 10_000;

export const USAGE = `Usage: make bench-failover [KILLS=${DEFAULTS.kills}] [FREEZES=${DEFAULTS.freezes}] [LEADERS=${DEFAULTS.leaderLosses}]

Kills and freezes nodes of a three-node cluster under load, measures how long writes stood still, checks
that nothing was lost, executed twice or read stale, and writes docs/failover.md and docs/failover.json.

  --kills n     Nodes killed, at each of two health settings
  --freezes n   Nodes frozen, at each of two health settings
  --leaders n   Losses of the control plane together with a node
  --seed n      Of the choice of victims and moments
  --no-docs     Print only
  --help        Print this
`;

/** Undefined: only help is asked for. @throws {TypeError | RangeError} on an argument that is none. */
export function parseFailoverOptions(argv: readonly string[]): FailoverOptions | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      kills: { type: "string" },
      freezes: { type: "string" },
      leaders: { type: "string" },
      seed: { type: "string" },
      "no-docs": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    kills: count("--kills", values.kills, DEFAULTS.kills),
    freezes: count("--freezes", values.freezes, DEFAULTS.freezes),
    leaderLosses: count("--leaders", values.leaders, DEFAULTS.leaderLosses),
    seed: count("--seed", values.seed, DEFAULTS.seed),
    writesDocs: !values["no-docs"],
  };
}

/** make passes variables that nobody set as "". */
function count(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined || text === "") return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > MOST)
    throw new RangeError(`${name}: must be an integer from 0 to ${MOST}, not ${text}`);
  return value;
}
