/** What a command line becomes: a program, its output, its exit code. */
import { CommanderError } from "commander";
import type { PrismError } from "@prism/client";
import type { Context } from "./context.js";
import { CommandError, EXIT } from "./exit-code.js";
import { buildProgram, type ProgramOptions } from "./program.js";
import { paintFor } from "./terminal.js";

export async function runCommandLine(options: ProgramOptions = {}): Promise<void> {
  const context: Context = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    paint: paintFor(process.stdout, process.env),
  };

  // A reader such as `head` may close the pipe early; that is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.ok.code);
    throw error;
  });

  try {
    const program = buildProgram(context, (code) => (process.exitCode = code), options);
    // Alone it is a question, not a mistake.
    if (process.argv.length <= 2) program.outputHelp();
    else await program.parseAsync(process.argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Prints what the person can act on, and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok.code : EXIT.usage.code;
  if (error instanceof CommandError) {
    process.stderr.write(`prism: ${error.message}\n`);
    return error.exitCode;
  }
  if (isPrismError(error)) {
    // One violation is the message already.
    const violations = error.violations
      .filter(({ detail }) => !error.message.includes(detail))
      .map(({ pointer, detail }) => `\n  ${pointer}: ${detail}`)
      .join("");
    const fix = error.fix === undefined ? "" : `\n  ${error.fix}`;
    process.stderr.write(`prism: ${error.message}${violations}${fix}\n`);
    return error.status === undefined ? EXIT.unreachable.code : EXIT.failed.code;
  }
  process.stderr.write(`prism: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT.failed.code;
}

/** By its name: to have the class here would load the whole SDK before anything is asked of it. */
function isPrismError(error: unknown): error is PrismError {
  return error instanceof Error && error.name === "PrismError";
}
