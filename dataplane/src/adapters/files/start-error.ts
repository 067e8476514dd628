/** Why a node does not start: one line for people, and the exit code for what started it. */

export const ExitCode = {
  ok: 0,
  /** Settings that can't be used; the same settings will fail again. */
  settings: 2,
  /** The data directory was written by a newer version, or belongs to another process or node. */
  data: 3,
  /** A broken assumption at run time; another start may help. */
  crash: 70,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export class StartError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.name = "StartError";
    this.exitCode = exitCode;
  }
}
