/** What the demonstration is asked for. */
import { parseArgs } from "node:util";

export interface DemoOptions {
  /** Infinity: all of them. */
  readonly passages: number;
  /** Loading and the whole demonstration end in time, with fewer passages on a slow machine. */
  readonly inTime: boolean;
  readonly keep: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

/** The command line can't be understood. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Embedding takes most of the time: about 25 passages a second on two cores. */
const PASSAGES_DEFAULT = 1500;
const PASSAGES_MIN = 100;
export const LOAD_SECONDS_MAX = 75;

export const USAGE = `Usage: make demo [DEMO="options"]

Starts a cluster of three zones on this machine, loads passages of the State of the Union addresses with
their embeddings, searches them, kills a node under load, and reports what was lost and for how long.

Options:
  --passages <n>  passages to load, spread over all speeches, however long it takes (at least ${PASSAGES_MIN};
                  default ${PASSAGES_DEFAULT}, or as many as a slow machine loads within ${LOAD_SECONDS_MAX} s)
  --full          load all passages, about 26,000: takes many minutes
  --keep          leave the cluster running until Ctrl-C, and its data where it is
  --json          print the measurements as JSON on standard output, everything else on standard error
  --help          print this

Environment:
  NO_COLOR        when set, no colours

Exit codes: 0 every claim held, 1 a claim did not hold or something failed, 2 wrong options`;

/** @throws {UsageError} */
export function parseOptions(args: readonly string[]): DemoOptions {
  const { passages, full, ...rest } = parse(args);
  if (passages !== undefined && full)
    throw new UsageError("--passages and --full exclude each other; use one of them");
  const wanted = passages === undefined ? PASSAGES_DEFAULT : Number(passages);
  if (!Number.isInteger(wanted) || wanted < PASSAGES_MIN) {
    throw new UsageError(
      `--passages ${passages}: must be a whole number of at least ${PASSAGES_MIN}, such as 500`,
    );
  }
  return { ...rest, passages: full ? Infinity : wanted, inTime: passages === undefined && !full };
}

function parse(args: readonly string[]) {
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({
      args: [...args],
      options: { passages: { type: "string" }, full: flag, keep: flag, json: flag, help: flag },
    }).values;
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message.split(". ")[0]);
    throw error;
  }
}
