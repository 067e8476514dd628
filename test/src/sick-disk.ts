/** Makes a node's disk slow, failing or read-only while it runs; see ../shim/sick-disk.c for how. */
import { open, writeFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

const BYTES = 256;
const HOW = { well: 0, slow: 1, inputOutputError: 2, readOnly: 3, noSpace: 4 } as const;

export class SickDisk {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #library: string;

  /** @param library as built from ../shim/sick-disk.c */
  static async make(library: string, directory: string): Promise<SickDisk> {
    const path = join(directory, "sick-disk");
    await writeFile(path, Buffer.alloc(BYTES));
    return new SickDisk(library, path, await open(path, "r+"));
  }

  private constructor(library: string, path: string, file: FileHandle) {
    [this.#library, this.#path, this.#file] = [library, path, file];
  }

  /** What the node processes must have. */
  get environment(): Readonly<Record<string, string>> {
    return { LD_PRELOAD: this.#library, PRISM_SICK_DISK: this.#path };
  }

  /** @param where part of the paths of the files that are to suffer */
  async become(how: keyof typeof HOW, where: string, ms = 0): Promise<void> {
    const bytes = Buffer.alloc(BYTES);
    bytes.writeInt32LE(ms, 4);
    bytes.write(where, 8);
    await this.#file.write(bytes, 4, BYTES - 4, 4);
    bytes.writeInt32LE(HOW[how], 0);
    await this.#file.write(bytes, 0, 4, 0);
  }

  async heal(): Promise<void> {
    await this.#file.write(Buffer.alloc(4), 0, 4, 0);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
