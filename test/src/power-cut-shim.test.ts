import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compile, cutPower, powerCutEnvironment, unsyncedOf } from "./power-cut.js";
import { makeTestDirectory } from "./test-directory.js";

let directory: Awaited<ReturnType<typeof makeTestDirectory>>;
beforeEach(async () => {
  directory = await makeTestDirectory();
});
afterEach(() => directory.remove());

test("a power cut takes back exactly what was not synced", async () => {
  const library = await compile("power-cut", directory.path);
  const program = await compile("writer", directory.path);
  if (library === undefined || program === undefined) {
    console.log("the power-cut test did not run: there is no C compiler (cc)");
    return;
  }
  const data = join(directory.path, "data");
  const sideFiles = join(directory.path, "side");
  await mkdir(data);
  const child = spawn(program, [data], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...powerCutEnvironment(library, data, sideFiles) },
  });
  const gone = once(child, "exit");
  try {
    await Promise.race([once(child.stdout, "data"), gone]);
    expect(child.exitCode).toBeNull();
  } finally {
    child.kill("SIGKILL");
    await gone;
  }
  const content = (name: string): Promise<string> => readFile(join(data, name), "utf8");
  // All of it is there as long as the power is: a kill proves nothing.
  expect(await content("unsynced")).toBe("gone");
  expect(await content("partly")).toBe("01XX45");
  const undone = await cutPower(sideFiles);
  expect(Object.fromEntries(undone.map(({ path, writes }) => [basename(path), writes]))).toEqual({
    unsynced: 1,
    partly: 3,
    vector: 1,
    renamed: 1,
  });
  expect(await content("synced")).toBe("kept");
  expect(await content("unsynced")).toBe("");
  expect(await content("partly")).toBe("0123456789");
  expect(await content("durable")).toBe("kept");
  expect(await content("vector")).toBe("abcd");
  expect(await content("renamed")).toBe("");
  expect(await content("safely")).toBe("kept");
  expect((await readdir(directory.path)).filter((name) => name.startsWith("side."))).toEqual([]);
});

test("a record that was cut off in the middle is of a write that did not happen", () => {
  const record = Buffer.alloc(32 + 2 + 3);
  record.writeUInt32LE(1, 0);
  record.writeUInt32LE(2, 4);
  record.writeBigUInt64LE(3n, 16);
  record.write("/aold", 32);
  expect(unsyncedOf(record)).toMatchObject([{ path: "/a", undos: [{ oldBytes: Buffer.from("old") }] }]);
  expect(unsyncedOf(record.subarray(0, 36))).toEqual([]);
  expect(unsyncedOf(Buffer.concat([record, record.subarray(0, 20)]))[0]?.undos).toHaveLength(1);
});
