/** How many worker threads a node starts. */

/** More than this pays only on machines whose owner will set the number. */
const MOST_DERIVED = 8;

export interface WorkerCount {
  readonly workers: number;
  /** Why this many, for the log. */
  readonly reason: string;
}

export interface Processors {
  /** What the runtime believes to have; it does not know of a container's quota. */
  readonly parallelism: number;
  /** Processors' worth of time that the container may use, not always whole; undefined when it is not limited. */
  readonly quota: number | undefined;
}

/**
 * @param configured 0 to derive the number.
 * @param stores of the data directory; undefined when it is new and gets as many as there are workers.
 */
export function chooseWorkers(
  configured: number,
  { parallelism, quota }: Processors,
  stores: number | undefined,
): WorkerCount {
  const isLimited = quota !== undefined && quota < parallelism;
  // Part of a processor is worth a thread: threads wait for disks too.
  const processors = isLimited ? Math.ceil(quota) : parallelism;
  const wanted = configured > 0 ? configured : Math.min(MOST_DERIVED, Math.max(1, processors - 1));
  const whence = isLimited ? `a quota of ${quota} processors` : `${parallelism} processors`;
  const why = configured > 0 ? "configured" : `${whence}, one left to the network thread`;
  // A worker without a store would have no work.
  if (stores !== undefined && stores < wanted) {
    return { workers: stores, reason: `the data directory has ${stores} stores (${why} would be ${wanted})` };
  }
  return { workers: wanted, reason: why };
}
