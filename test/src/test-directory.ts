import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A directory of its own, and how to remove it. PRISM_TEST_KEEP=1 keeps it, to look at what a failed run left. */
export async function makeTestDirectory(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "prism-test-"));
  const remove = async (): Promise<void> => {
    if (process.env["PRISM_TEST_KEEP"] === "1") console.log(`kept ${path}`);
    else await rm(path, { recursive: true, force: true, maxRetries: 5 });
  };
  return { path, remove };
}
