/** Files and streams that a person names on the command line. */
import { readFile, stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { CommandError } from "./exit-code.js";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "is a directory",
  EACCES: "no permission to read it",
};

/** @throws {CommandError} naming the file and why it can't be read. */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Size in bytes; undefined for what has none, such as a pipe. @throws {CommandError} */
export async function sizeOfFile(path: string): Promise<number | undefined> {
  try {
    const file = await stat(path);
    if (file.isDirectory()) throw new CommandError(`${path}: is a directory`);
    return file.isFile() ? file.size : undefined;
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** All of a stream. */
export async function readStream(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array | string));
  return Buffer.concat(chunks).toString("utf8");
}

export function unreadable(path: string, error: unknown): Error {
  if (error instanceof CommandError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  return new CommandError(`${path}: ${REASONS[code] ?? message}`);
}
