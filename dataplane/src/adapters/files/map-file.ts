/**
 * The newest cluster map on disk, so that a node that starts without a control plane knows where
 * everything is. Writes are one at a time; a map that a newer one overtakes is never written.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ClusterMap as WireClusterMap } from "@prism/proto/gen/node";
import type { Logger } from "pino";
import type { ClusterMap } from "../../domain/cluster-map.js";
import { fromWireMap, toWireMap } from "../wire/cluster-map.js";
import { writeFileAtomic } from "./atomic-file.js";

export class MapFile {
  readonly #path: string;
  readonly #logger: Logger;
  #next: ClusterMap | undefined;
  #writing: Promise<void> | undefined;

  constructor(dataDirectory: string, logger: Logger) {
    this.#path = join(dataDirectory, "cluster-map.bin");
    this.#logger = logger;
  }

  /** Undefined when there is none, or it can't be read: the control plane sends it again. */
  async read(): Promise<ClusterMap | undefined> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT")
        this.#warn("the saved map can't be read", error);
      return undefined;
    }
    try {
      return fromWireMap(WireClusterMap.decode(bytes));
    } catch (error) {
      this.#warn("the saved map is damaged", error);
      return undefined;
    }
  }

  /** Saves soon. A failure is logged: the map held in memory counts, and the next one is saved again. */
  save(map: ClusterMap): void {
    this.#next = map;
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined));
  }

  /** Resolves once everything given to save is on disk or has failed. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    for (let map = this.#next; map !== undefined; map = this.#next) {
      this.#next = undefined;
      try {
        await writeFileAtomic(this.#path, WireClusterMap.encode(toWireMap(map)));
      } catch (error) {
        this.#warn("the map could not be saved", error);
      }
    }
  }

  #warn(message: string, error: unknown): void {
    this.#logger.warn({ path: this.#path, detail: String(error) }, message);
  }
}
