/** What the exit codes mean; `prism --help` prints this table. */
export const EXIT = {
  ok: { code: 0, meaning: "done" },
  failed: { code: 1, meaning: "the cluster refused, or some documents failed" },
  usage: { code: 2, meaning: "the command line or a file it names is not right" },
  unreachable: { code: 3, meaning: "no node could be reached" },
  degraded: {
    code: 4,
    meaning: "up, status: all works, with fewer nodes or copies than wanted or without control plane",
  },
  unavailable: {
    code: 5,
    meaning:
      "status: at least one shard takes no writes, or nothing is known yet; verify: not all could be compared",
  },
  different: { code: 6, meaning: "verify: copies differ" },
} as const;

/** An error for the person at the keyboard: no stack, one fix. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.usage.code) {
    super(message);
    this.name = "CommandError";
    this.exitCode = exitCode;
  }
}
