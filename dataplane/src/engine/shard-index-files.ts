/**
 * Where a shard copy's index files lie:
 *
 *     <directory>/index.manifest      names the current set and its stamp
 *     <directory>/index-7/            one set: all engines' files of one moment
 *
 * Every save makes a set of its own and lets the manifest name it by one rename, so that a crash at any
 * point leaves the set of before or the new one, never some files of each.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BinaryReader, writeBinaryFile } from "./binary-file.js";
import type { IndexStamp } from "./engine-port.js";
import { readStamp, writeStamp } from "./index-stamp.js";

const MANIFEST = "index.manifest";
const MANIFEST_KIND = "PRSMIDX1";
const SET_NAME = /^index-(\d+)$/;

export interface FileSet {
  readonly path: string;
  readonly stamp: IndexStamp;
}

/** Calls `write` with the new set's directory; on an error the set of before stays current. */
export function saveFileSet(directory: string, stamp: IndexStamp, write: (path: string) => void): void {
  mkdirSync(directory, { recursive: true });
  const sets = setsOf(directory);
  const name = `index-${Math.max(0, ...sets.map(numberOf)) + 1}`;
  const path = join(directory, name);
  const temporary = join(directory, `${MANIFEST}.tmp`);
  try {
    mkdirSync(path);
    write(path);
    syncTree(path);
    writeBinaryFile(temporary, MANIFEST_KIND, (writer) => {
      writer.string(name);
      writeStamp(writer, stamp);
    });
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    rmSync(temporary, { force: true });
    throw error;
  }
  renameSync(temporary, join(directory, MANIFEST));
  syncPath(directory);
  for (const old of sets) rmSync(join(directory, old), { recursive: true, force: true });
}

/** Undefined when there is no manifest that can be read. */
export function findFileSet(directory: string): FileSet | undefined {
  try {
    const reader = new BinaryReader(join(directory, MANIFEST), MANIFEST_KIND);
    return { path: join(directory, reader.string()), stamp: readStamp(reader) };
  } catch {
    // Whatever is wrong with the manifest, the documents are still there to rebuild the index from.
    return undefined;
  }
}

function setsOf(directory: string): string[] {
  return readdirSync(directory).filter((name) => SET_NAME.test(name));
}

function numberOf(name: string): number {
  return Number(SET_NAME.exec(name)?.[1] ?? 0);
}

/** Files written by native code and the names of all of them must be on disk before the manifest says so. */
function syncTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) syncTree(inside);
    else syncPath(inside);
  }
  syncPath(path);
}

function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
