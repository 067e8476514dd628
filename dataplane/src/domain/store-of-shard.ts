/**
 * Which store of a node's data directory holds a shard's copy, and which worker thread owns the
 * store. The number of stores is fixed when the data directory is made; the number of workers may
 * change with each start, so a worker may own several stores.
 */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** 32-bit FNV-1a (Fowler, Noll, Vo; RFC 9923) over the UTF-16 code units; shard uids are ASCII. */
export function storeOfShard(shardUid: string, stores: number): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < shardUid.length; i++) {
    hash ^= shardUid.charCodeAt(i);
    hash = Math.imul(hash, FNV_PRIME);
  }
  return (hash >>> 0) % stores;
}

export function workerOfStore(store: number, workers: number): number {
  return store % workers;
}

export function workerOfShard(shardUid: string, stores: number, workers: number): number {
  return workerOfStore(storeOfShard(shardUid, stores), workers);
}
