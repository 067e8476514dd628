import { Readable, Writable } from "node:stream";
import { CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import type { Context } from "./context.js";
import { buildProgram } from "./program.js";

function run(args: readonly string[]): Promise<{ output: string; error: unknown }> {
  let output = "";
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      output += chunk.toString();
      done();
    },
  });
  const context: Context = {
    stdin: Readable.from([]),
    stdout: sink,
    stderr: sink,
    paint: (_colour, text) => text,
  };
  return buildProgram(context, () => undefined)
    .parseAsync(["node", "prism", ...args])
    .then(
      () => ({ output, error: undefined }),
      (error: unknown) => ({ output, error }),
    );
}

describe("the command line", () => {
  it("explains itself with examples and exit codes", async () => {
    const { output } = await run(["--help"]);
    for (const word of ["prism up", "prism load", "Exit codes:", "PRISM_ENDPOINT", "--json"])
      expect(output).toContain(word);
  });

  it.each(["up", "status", "load", "search", "get"])("gives examples for %s", async (command) => {
    expect((await run([command, "--help"])).output).toContain("Examples:");
  });

  it("refuses what it does not know, and says what may be meant", async () => {
    const { output, error } = await run(["stauts"]);
    expect(error).toBeInstanceOf(CommanderError);
    expect(output).toContain("Did you mean status?");
  });

  it("refuses values out of range, naming the option", async () => {
    const { output } = await run(["up", "--nodes", "0"]);
    expect(output).toContain("--nodes");
    expect(output).toContain("must be an integer from 1 to 64");
  });

  it("says how to start a cluster when there is none", async () => {
    const { error } = await run(["--data", "/nonexistent/prism", "status"]);
    expect((error as Error).message).toContain("prism up");
  });

  it.each([
    [["--consistency", "bounded"], "--max-staleness"],
    [["--max-staleness", "5"], "--consistency bounded"],
    [["--consistency", "readYourWrites"], "--session"],
    [["--consistency", "strongest"], "Allowed choices are eventual, readYourWrites, bounded, strong"],
    [["--consistency", "bounded", "--max-staleness", "0"], "must be an integer from 1"],
  ])("refuses %j of a read before it asks a cluster", async (options, told) => {
    for (const command of [
      ["get", "notes", "a"],
      ["search", "notes", "war"],
    ]) {
      const { output, error } = await run([...command, ...options]);
      expect(`${output}${(error as Error).message}`).toContain(told);
    }
  });

  it("does not delete documents without a yes", async () => {
    const { error } = await run(["collection", "delete", "notes"]);
    expect((error as Error).message).toContain("--yes");
  });
});
