/**
 * Plays a power cut: after all processes are dead, puts back what they wrote and never synced. The
 * preload library in ../shim/power-cut.c writes the side files that this reads; see there for the format.
 *
 * What the library does not see counts as durable: writes through memory maps, writes inside libc's
 * own buffered streams, and names (create, rename, remove).
 */
import { execFile } from "node:child_process";
import { open, readdir, readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const HEADER_BYTES = 32;
const WRITE = 1;
const SYNC = 2;
const RENAME = 3;

const run = promisify(execFile);

/** One write that a power cut takes back: these bytes come again, and the file gets this size. */
export interface Undo {
  readonly end: number;
  readonly offset: number;
  readonly oldBytes: Buffer;
  readonly oldSize: number;
}

export interface WrittenFile {
  path: string;
  /** Oldest first. */
  undos: Undo[];
}

export interface UndoneFile {
  readonly path: string;
  readonly writes: number;
}

/** Builds a C source of ../shim; undefined when there is no C compiler. */
export async function compile(
  source: "power-cut" | "sick-disk" | "writer",
  directory: string,
): Promise<string | undefined> {
  const isLibrary = source !== "writer";
  const from = fileURLToPath(new URL(`../shim/${source}.c`, import.meta.url));
  const to = join(directory, isLibrary ? `${source}.so` : source);
  const flags = isLibrary ? ["-shared", "-fPIC", "-ldl", "-lpthread"] : [];
  try {
    await run("cc", ["-O2", "-Wall", "-Werror", "-o", to, from, ...flags]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return to;
}

/** What a process must have in its environment for its writes below `directory` to be undone. */
export function powerCutEnvironment(library: string, directory: string, sideFiles: string) {
  return { LD_PRELOAD: library, PRISM_POWER_CUT_DIR: directory, PRISM_POWER_CUT_LOG: sideFiles };
}

/**
 * Undoes, newest first, what the dead processes never synced, and removes their side files.
 *
 * @param sideFiles as PRISM_POWER_CUT_LOG: the files' common beginning
 */
export async function cutPower(sideFiles: string): Promise<readonly UndoneFile[]> {
  const undone: UndoneFile[] = [];
  const directory = dirname(sideFiles);
  for (const name of await readdir(directory)) {
    if (!name.startsWith(`${basename(sideFiles)}.`)) continue;
    const side = join(directory, name);
    for (const file of unsyncedOf(await readFile(side))) {
      if (file.undos.length === 0) continue;
      await undo(file);
      undone.push({ path: file.path, writes: file.undos.length });
    }
    await rm(side);
  }
  return undone;
}

/** The files of a side file with their writes that no sync made durable. */
export function unsyncedOf(side: Buffer): readonly WrittenFile[] {
  const byPath = new Map<string, WrittenFile>();
  for (let at = 0; at + HEADER_BYTES <= side.length;) {
    const kind = side.readUInt32LE(at);
    const pathLength = side.readUInt32LE(at + 4);
    const offset = Number(side.readBigUInt64LE(at + 8));
    const length = Number(side.readBigUInt64LE(at + 16));
    const oldSize = Number(side.readBigUInt64LE(at + 24));
    const bytesAt = at + HEADER_BYTES + pathLength;
    const end = bytesAt + (kind === SYNC ? 0 : length);
    // The process died while it wrote this record, so what the record is of did not happen.
    if (end > side.length) break;
    const path = side.toString("utf8", at + HEADER_BYTES, bytesAt);
    const bytes = side.subarray(bytesAt, end);
    if (kind === WRITE) fileOf(byPath, path).undos.push({ end, offset, oldBytes: bytes, oldSize });
    else if (kind === SYNC) keepAfter(byPath.get(path), offset);
    else if (kind === RENAME) move(byPath, path, bytes.toString("utf8"));
    else throw new Error(`record of kind ${kind} at ${at}: the side file does not parse`);
    at = end;
  }
  return [...byPath.values()];
}

function fileOf(byPath: Map<string, WrittenFile>, path: string): WrittenFile {
  let file = byPath.get(path);
  if (file === undefined) byPath.set(path, (file = { path, undos: [] }));
  return file;
}

/** A sync makes durable what was written before it began. */
function keepAfter(file: WrittenFile | undefined, began: number): void {
  if (file !== undefined) file.undos = file.undos.filter((one) => one.end > began);
}

function move(byPath: Map<string, WrittenFile>, from: string, to: string): void {
  const file = byPath.get(from);
  // Whatever had that name is not reachable any more.
  byPath.delete(to);
  if (file === undefined) return;
  byPath.delete(from);
  file.path = to;
  byPath.set(to, file);
}

async function undo({ path, undos }: WrittenFile): Promise<void> {
  let file;
  try {
    file = await open(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  try {
    for (const { offset, oldBytes, oldSize } of undos.toReversed()) {
      if (oldBytes.length > 0) await file.write(oldBytes, 0, oldBytes.length, offset);
      await file.truncate(oldSize);
    }
  } finally {
    await file.close();
  }
}
