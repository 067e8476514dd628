/** Files that are there whole, old or new, after a crash at any step. */
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Written under a temporary name, synced, renamed, and the rename synced with the directory. */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, "w");
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(dirname(path), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
