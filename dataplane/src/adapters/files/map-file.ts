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

/** After a map is saved, none is for so many times as long: in a storm of changes a large one would be all there is. */
const REST_FACTOR = 9;

export class MapFile {
  readonly #path: string;
  readonly #logger: Logger;
  #next: ClusterMap | undefined;
  #writing: Promise<void> | undefined;
  #endRest: (() => void) | undefined;
  #flushing = false;

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
    this.#flushing = true;
    this.#endRest?.();
    await this.#writing;
    this.#flushing = false;
  }

  async #writeAll(): Promise<void> {
    for (let map = this.#next; map !== undefined; map = this.#next) {
      this.#next = undefined;
      const begunMs = performance.now();
      try {
        await writeFileAtomic(this.#path, WireClusterMap.encode(toWireMap(map)));
      } catch (error) {
        this.#warn("the map could not be saved", error);
      }
      await this.#rest(REST_FACTOR * (performance.now() - begunMs));
    }
  }

  async #rest(restMs: number): Promise<void> {
    if (this.#flushing) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#endRest = resolve;
      timer = setTimeout(resolve, restMs);
    });
    clearTimeout(timer);
    this.#endRest = undefined;
  }

  #warn(message: string, error: unknown): void {
    this.#logger.warn({ path: this.#path, detail: String(error) }, message);
  }
}
