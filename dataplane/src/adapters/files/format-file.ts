/**
 * `format.json` of a data directory: which version of the on-disk format it is in, who can read it,
 * and how many stores it has. Written at the first start, and when a newer version takes the directory
 * over; the network thread does so before any worker opens a store.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "./atomic-file.js";
import { ExitCode, StartError } from "./start-error.js";

/**
 * The format that this version writes.
 * - 1: documents are encoded apart
 * - 2: documents are stored as the log entries that wrote them, or as in 1
 */
export const FORMAT = 2;
/** The oldest format number whose readers can read what this version writes. */
const MIN_READER = 2;

export interface DataFormat {
  readonly format: number;
  readonly minReader: number;
  readonly writtenBy: string;
  /** Number of stores, fixed when the directory is made: a shard is found in its store by a hash. */
  readonly stores: number;
}

/**
 * Reads the format, or writes it when the directory is new.
 * @throws {StartError} with ExitCode.data when a newer version wrote the directory, or the file is damaged.
 */
export async function openFormat(
  dataDirectory: string,
  fresh: { readonly stores: number; readonly version: string },
): Promise<DataFormat> {
  const path = join(dataDirectory, "format.json");
  const text = await readIfThere(path);
  if (text === undefined) return await writeFormat(path, fresh);
  const format = parseFormat(path, text);
  if (format.minReader > FORMAT) {
    throw new StartError(
      ExitCode.data,
      `${path}: the data is in format ${format.format}, written by ${format.writtenBy}; this version reads up to ` +
        `format ${FORMAT}. Start version ${format.writtenBy} or newer.`,
    );
  }
  // Before anything is written in this version's format: an older one must not take it for its own.
  if (format.format < FORMAT) {
    return await writeFormat(path, { stores: format.stores, version: fresh.version });
  }
  return format;
}

async function writeFormat(
  path: string,
  { stores, version }: { readonly stores: number; readonly version: string },
): Promise<DataFormat> {
  const made: DataFormat = { format: FORMAT, minReader: MIN_READER, writtenBy: version, stores };
  await writeFileAtomic(path, `${JSON.stringify(made)}\n`);
  return made;
}

function parseFormat(path: string, text: string): DataFormat {
  let parsed: Partial<DataFormat> | null;
  try {
    parsed = JSON.parse(text) as Partial<DataFormat> | null;
  } catch {
    parsed = null;
  }
  const { format, minReader, writtenBy, stores } = parsed ?? {};
  if (!isCount(format) || !isCount(minReader) || typeof writtenBy !== "string" || !isCount(stores)) {
    throw new StartError(
      ExitCode.data,
      `${path}: damaged, so the number of stores is unknown. Restore it from a backup, or empty the directory ` +
        `to let the node be filled from the other copies.`,
    );
  }
  return { format, minReader, writtenBy, stores };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

/** Undefined when there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
