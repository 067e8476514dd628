import { spawn } from "node:child_process";

export interface CommandOptions {
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
  /** Shows what it prints while it runs; the result is empty then. */
  readonly show?: boolean;
}

/** `message` ends with what the command said. */
export class CommandError extends Error {
  readonly exitCode: number | undefined;
  readonly output: string;

  constructor(command: readonly string[], exitCode: number | undefined, output: string) {
    super(
      `${command.join(" ").slice(0, 300)}: ${exitCode ?? "no exit code"}: ${output.trim().slice(-2_000)}`,
    );
    this.name = "CommandError";
    this.exitCode = exitCode;
    this.output = output;
  }
}

const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * Runs a program to its end and gives what it wrote to its standard output.
 *
 * @throws {CommandError} when it ends with another code than 0, is not there, or takes too long (it is killed then).
 */
export async function runCommand(command: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { input, cwd, env, timeoutMs = DEFAULT_TIMEOUT_MS, show = false } = options;
  const [program, ...args] = command;
  const output = show ? "inherit" : "pipe";
  const child = spawn(program!, args, {
    cwd,
    env: env ?? process.env,
    stdio: [input === undefined ? "ignore" : "pipe", output, output],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
  // A program that does not read its input to the end says why with its exit code.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  const code = await new Promise<number | undefined>((resolve, reject) => {
    child.once("error", (error) => reject(new CommandError(command, undefined, error.message)));
    child.once("close", (exitCode) => resolve(exitCode ?? undefined));
  });
  const stdout = Buffer.concat(out).toString();
  if (code !== 0) throw new CommandError(command, code, `${Buffer.concat(err).toString()}\n${stdout}`);
  return stdout;
}
