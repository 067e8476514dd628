/**
 * The program that reads a whole store, and writes to it once: node check-store/main.js <directory>. A process
 * of its own, because a damaged B-tree may end the process that reads it. Exit code 0: it can be used.
 */
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { ShardStore } from "../adapters/lmdb/shard-store.js";

const UNUSABLE = 1;
const BAD_USAGE = 2;

async function main(directory: string | undefined): Promise<number> {
  if (directory === undefined) return BAD_USAGE;
  if (!existsSync(join(directory, "data.mdb"))) return 0;
  return await new Promise((resolve, reject) => {
    const store = new ShardStore(directory, {
      sync: true,
      // That it can't be written to now is not its own doing.
      onDiskFull: () => resolve(0),
      onFailure: (error) => (isOfDisk(error) ? resolve(0) : reject(error)),
    });
    store.readAll();
    // Pages that are free are read by whoever writes next.
    store.dropSlot(store.newSlot());
    store.onDurable(() => resolve(0));
  });
}

/** EIO or EROFS, by number or by name: what was read is whole, and the disk may take writes later. */
function isOfDisk(error: Error): boolean {
  const { code } = error as { readonly code?: unknown };
  return code === constants.errno.EIO || code === constants.errno.EROFS || code === "EIO" || code === "EROFS";
}

main(process.argv[2]).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(UNUSABLE);
  },
);
