/** How many worker threads a node starts. */

/** More than this pays only on machines whose owner will set the number. */
const MOST_DERIVED = 8;

export interface WorkerCount {
  readonly workers: number;
  /** Why this many, for the log. */
  readonly reason: string;
}

/**
 * @param configured 0 to derive the number.
 * @param parallelism what the runtime believes to have; it does not know of a container's CPU quota.
 * @param stores of the data directory; undefined when it is new and gets as many as there are workers.
 */
export function chooseWorkers(
  configured: number,
  parallelism: number,
  stores: number | undefined,
): WorkerCount {
  const wanted = configured > 0 ? configured : Math.min(MOST_DERIVED, Math.max(1, parallelism - 1));
  // A worker without a store would have no work.
  const why = configured > 0 ? "configured" : `${parallelism} processors, one left to the network thread`;
  if (stores !== undefined && stores < wanted) {
    return { workers: stores, reason: `the data directory has ${stores} stores (${why} would be ${wanted})` };
  }
  return { workers: wanted, reason: why };
}
