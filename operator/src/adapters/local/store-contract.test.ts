import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { Store } from "../../ports/store.js";
import { describeStoreContract, nodeObject, withNodeId } from "../testing/store-contract.js";
import { LmdbStore } from "./lmdb-store.js";
import { MemoryStore } from "./memory-store.js";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "prism-store-"));
  cleanups.push(() => rmSync(path, { recursive: true }));
  return path;
}

function opened<S extends Store>(store: S): S {
  cleanups.push(() => store.close());
  return store;
}

describeStoreContract("memory", { open: () => opened(new MemoryStore()) });
describeStoreContract("lmdb", { open: () => opened(new LmdbStore(join(directory(), "objects.lmdb"))) });

describe("lmdb store", () => {
  test("objects and versions survive a restart, and versions go on from there", async () => {
    const path = join(directory(), "objects.lmdb");
    const before = new LmdbStore(path);
    const made = await before.create(nodeObject("n1"));
    await before.close();
    const after = opened(new LmdbStore(path));
    expect(await after.get("PrismNode", "n1")).toEqual(made);
    const list = await after.list("PrismNode");
    expect(list.items).toEqual([made]);
    const changed = await after.update(withNodeId(made, "one"));
    expect(Number(changed.metadata.resourceVersion)).toBeGreaterThan(Number(made.metadata.resourceVersion));
    expect(() => after.watch("PrismNode", list.resourceVersion, () => undefined)).not.toThrow();
  });
});
