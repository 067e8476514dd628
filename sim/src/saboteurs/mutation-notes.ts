/** Why a mutation that nobody notices may go unnoticed. */
export interface MutationNote {
  readonly file: string;
  /** Part of the line it is in. */
  readonly line: string;
  /** Of the change; any when absent. */
  readonly what?: string;
  readonly why: string;
}

export const MUTATION_NOTES: readonly MutationNote[] = [
  {
    file: "log-sender.ts",
    line: "progress.needsSnapshot = !isWaitedFor;",
    why: "The copy answers what it can't match with a mismatch, which asks for the snapshot one message later.",
  },
];
