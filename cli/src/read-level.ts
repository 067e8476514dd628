/** --consistency and what belongs to it, for every command that reads documents. */
import { CONSISTENCY_LEVELS, LONGEST_STALENESS_MS, type ConsistencyInput } from "@prism/api/consistency";
import type { ConsistencyAnswer, ConsistencyLevel } from "@prism/api/consistency";
import { type Command, InvalidArgumentError, Option } from "commander";
import { CommandError } from "./exit-code.js";

export interface ReadLevelOptions {
  readonly consistency?: ConsistencyLevel;
  readonly maxStaleness?: number;
  readonly session?: string;
  readonly allowDowngrade: boolean;
}

export function addReadLevel(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--consistency <level>",
        "how current the answer must be (default: eventual, or readYourWrites with --session)",
      ).choices([...CONSISTENCY_LEVELS]),
    )
    .option("--max-staleness <ms>", "with --consistency bounded: how old the answer may be", milliseconds)
    .option("--session <token>", "of an earlier answer: show no less than that has written or seen")
    .option("--allow-downgrade", "when the level can't be met: show what a copy has, and say so", false);
}

/** @throws {CommandError} when options do not go together. */
export function consistencyOf(options: ReadLevelOptions): ConsistencyInput | undefined {
  const { consistency, maxStaleness, session, allowDowngrade } = options;
  const level = consistency ?? (session === undefined ? undefined : "readYourWrites");
  if (level === "bounded" && maxStaleness === undefined) {
    throw new CommandError("--consistency bounded: say how old the answer may be, with --max-staleness <ms>");
  }
  if (maxStaleness !== undefined && level !== "bounded") {
    throw new CommandError("--max-staleness is for --consistency bounded");
  }
  if (level === "readYourWrites" && session === undefined) {
    throw new CommandError("--consistency readYourWrites: give the --session of an earlier answer");
  }
  if (level === undefined) return undefined;
  return {
    level,
    allowDowngrade,
    ...(session === undefined ? {} : { session }),
    ...(maxStaleness === undefined ? {} : { maxStalenessMs: maxStaleness }),
  };
}

/** For people; "" when the level was met. */
export function shortfallOf({ level, met, downgraded = [] }: ConsistencyAnswer): string {
  if (met) return "";
  const why = downgraded.map(({ shard, detail }) => `shard ${shard}: ${detail}`).join("; ");
  return `not ${level}${why === "" ? "" : ` (${why})`}`;
}

function milliseconds(value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1 && number <= LONGEST_STALENESS_MS) return number;
  throw new InvalidArgumentError(`must be an integer from 1 to ${LONGEST_STALENESS_MS}.`);
}
