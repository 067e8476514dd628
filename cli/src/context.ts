/** What every command gets: where to write, how to paint, and the global options. */
import type { Readable, Writable } from "node:stream";
import type { ConnectionOptions } from "./connection.js";
import type { Paint } from "./terminal.js";

/** Data directory of the local cluster, in the directory where one works. */
export const DEFAULT_DATA = ".prism";

export interface GlobalOptions extends ConnectionOptions {
  readonly json: boolean;
}

export interface Context {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly paint: Paint;
}

export function print(context: Context, lines: readonly string[]): void {
  context.stdout.write(`${lines.join("\n")}\n`);
}

export function printJson(context: Context, value: unknown): void {
  context.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
