/** When the writes of one shard were acknowledged, and how long none was. */

interface Acknowledgement {
  readonly sentMs: number;
  readonly ackMs: number;
}

export class Acknowledgements {
  #list: Acknowledgement[] = [];

  /** In the order of the answers. */
  add(sentMs: number, ackMs: number): void {
    this.#list.push({ sentMs, ackMs });
  }

  /** Keeps the last one, from which the next gap is counted. */
  forget(): void {
    this.#list = this.#list.slice(-1);
  }

  gapAt(faultMs: number): {
    readonly lastBeforeMs: number | undefined;
    readonly firstAfterMs: number | undefined;
    readonly longestMs: number;
  } {
    const lastBeforeMs = this.#list.findLast(({ ackMs }) => ackMs <= faultMs)?.ackMs;
    const firstAfterMs = this.#list.find(({ sentMs }) => sentMs > faultMs)?.ackMs;
    let longestMs = 0;
    let beforeMs = lastBeforeMs ?? faultMs;
    for (const { ackMs } of this.#list) {
      if (ackMs <= beforeMs) continue;
      longestMs = Math.max(longestMs, ackMs - beforeMs);
      beforeMs = ackMs;
    }
    return { lastBeforeMs, firstAfterMs, longestMs };
  }
}
