/** One LMDB environment in this process, written durably: the floor of a write. */
import { open, type RootDatabase } from "lmdb";
import type { StorePeerFigures } from "../results.js";
import { SeededRandom } from "../seeded-random.js";

const BATCH = 100;
const VALUE_BYTES = 1024;
const KEY_BYTES = 8;
const VALUES = 64;

export async function measureLmdb(
  directory: string,
  batches: readonly number[],
  durationMs: number,
): Promise<StorePeerFigures> {
  const oneAtATimePerSecond = await writesPerSecond(`${directory}/one`, BATCH, 1, durationMs);
  const eightAtATime = [];
  for (const batch of batches) {
    const perSecond = await writesPerSecond(`${directory}/eight-${batch}`, batch, 8, durationMs);
    eightAtATime.push({ batch, perSecond });
  }
  return { oneAtATimePerSecond, eightAtATime };
}

/** Each of the writers waits until its batch is on disk before it begins the next. */
async function writesPerSecond(
  path: string,
  batch: number,
  writers: number,
  durationMs: number,
): Promise<number> {
  const store: RootDatabase<Buffer, Buffer> = open({
    path,
    encoding: "binary",
    keyEncoding: "binary",
    mapSize: 4 * 1024 ** 3,
  });
  const random = new SeededRandom(7);
  const values = Array.from({ length: VALUES }, () => randomBytes(random, VALUE_BYTES));
  const startMs = performance.now();
  let written = 0;
  const writer = async (): Promise<void> => {
    while (performance.now() - startMs < durationMs) {
      let durable: Promise<boolean> = Promise.resolve(true);
      for (let i = 0; i < batch; i += 1) {
        durable = store.put(randomBytes(random, KEY_BYTES), values[(written + i) % VALUES]!);
      }
      await durable;
      written += batch;
    }
  };
  await Promise.all(Array.from({ length: writers }, writer));
  const seconds = (performance.now() - startMs) / 1000;
  await store.close();
  return written / seconds;
}

function randomBytes(random: SeededRandom, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at += 4) bytes.writeUInt32LE(random.integer(0, 2 ** 32), at);
  return bytes;
}
