/** Opens a node's data directory for this process alone. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "./atomic-file.js";
import { lockDirectory } from "./directory-lock.js";
import { openFormat, type DataFormat } from "./format-file.js";
import { openNodeFile, writeNodeFile, type NodeRecord } from "./node-file.js";

/** What a supervisor learns of a running node. */
export interface ListeningRecord {
  readonly pid: number;
  readonly bootId: string;
  readonly nodeId: string;
  readonly peerAddress: string;
  readonly httpUrl: string;
  readonly adminUrl: string;
}

export class DataDirectory {
  readonly path: string;
  readonly format: DataFormat;
  readonly #release: () => void;
  #record: NodeRecord;

  private constructor(path: string, format: DataFormat, record: NodeRecord, release: () => void) {
    this.path = path;
    this.format = format;
    this.#record = record;
    this.#release = release;
  }

  /** @throws {StartError} when another process uses it, a newer version wrote it, or it is damaged. */
  static async open(path: string, storesIfNew: number, version: string): Promise<DataDirectory> {
    await mkdir(path, { recursive: true });
    const release = lockDirectory(path);
    try {
      const format = await openFormat(path, { stores: storesIfNew, version });
      return new DataDirectory(path, format, await openNodeFile(path), release);
    } catch (error) {
      release();
      throw error;
    }
  }

  get nodeRecord(): NodeRecord {
    return this.#record;
  }

  async joinCluster(clusterId: string): Promise<void> {
    this.#record = { ...this.#record, clusterId };
    await writeNodeFile(this.path, this.#record);
  }

  async writeListening(record: ListeningRecord): Promise<void> {
    await writeFileAtomic(join(this.path, "listening.json"), `${JSON.stringify(record)}\n`);
  }

  close(): void {
    this.#release();
  }
}
