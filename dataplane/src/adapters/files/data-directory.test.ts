import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { clusterMap } from "../../testing/cluster-map-builder.js";
import { DataDirectory } from "./data-directory.js";
import { MapFile } from "./map-file.js";

let directory: string;
beforeEach(() => (directory = join(mkdtempSync(join(tmpdir(), "prism-data-")), "node")));
afterEach(() => rmSync(join(directory, ".."), { recursive: true, force: true }));

const open = (stores = 2): Promise<DataDirectory> => DataDirectory.open(directory, stores, "0.1.0");

describe("a data directory", () => {
  test("keeps the node's id, its cluster and the number of stores of its first start", async () => {
    const first = await open(2);
    await first.joinCluster("cluster-1");
    first.close();
    const second = await open(5);
    expect(second.nodeRecord).toEqual({ nodeId: first.nodeRecord.nodeId, clusterId: "cluster-1" });
    expect(second.format).toEqual({ format: 2, minReader: 2, writtenBy: "0.1.0", stores: 2 });
    second.close();
  });

  test("belongs to one process at a time", async () => {
    const first = await open();
    await expect(open()).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining("uses this data"),
    });
    first.close();
    const second = await open();
    second.close();
  });

  test("is taken over from a process that is gone, and from one whose pid another process has now", async () => {
    const child = spawn(process.execPath, ["-e", ""]);
    await once(child, "exit");
    (await open()).close();
    writeFileSync(
      join(directory, "lock.json"),
      JSON.stringify({ pid: child.pid, startedAt: "1", machineBoot: "" }),
    );
    (await open()).close();
    writeFileSync(
      join(directory, "lock.json"),
      JSON.stringify({ pid: process.pid, startedAt: "1", machineBoot: "" }),
    );
    (await open()).close();
    writeFileSync(join(directory, "lock.json"), "half a fi");
    (await open()).close();
    expect(readdirSync(directory).filter((name) => name.startsWith("lock"))).toEqual([]);
  });

  test("of a newer version is refused with one line that names the version, and left as it is", async () => {
    (await open()).close();
    const path = join(directory, "format.json");
    const newer = JSON.stringify({ format: 4, minReader: 3, writtenBy: "0.9.0", stores: 2 });
    writeFileSync(path, newer);
    await expect(open()).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(/^[^\n]*0\.9\.0[^\n]*$/),
    });
    expect(readFileSync(path, "utf8")).toBe(newer);
    expect(existsSync(join(directory, "lock.json"))).toBe(false);
  });

  test("of a newer version that still lets this one read is opened", async () => {
    (await open()).close();
    const newer = JSON.stringify({ format: 3, minReader: 2, writtenBy: "0.2.0", stores: 4 });
    writeFileSync(join(directory, "format.json"), newer);
    const opened = await open();
    expect(opened.format.stores).toBe(4);
    opened.close();
  });

  test("of an older format is taken over, and is no more for the version that made it", async () => {
    (await open()).close();
    const older = { format: 1, minReader: 1, writtenBy: "0.0.9", stores: 4 };
    writeFileSync(join(directory, "format.json"), JSON.stringify(older));
    const opened = await open();
    expect(opened.format).toEqual({ format: 2, minReader: 2, writtenBy: "0.1.0", stores: 4 });
    expect(JSON.parse(readFileSync(join(directory, "format.json"), "utf8"))).toEqual(opened.format);
    opened.close();
  });

  test.each(["format.json", "node.json"])("with a damaged %s is refused", async (name) => {
    (await open()).close();
    writeFileSync(join(directory, name), "{}");
    await expect(open()).rejects.toMatchObject({ exitCode: 3, message: expect.stringContaining(name) });
  });
});

describe("the saved map", () => {
  const logger = pino({ level: "silent" });

  test("is the newest one given, whole", async () => {
    (await open()).close();
    const file = new MapFile(directory, logger);
    expect(await file.read()).toBeUndefined();
    for (let revision = 1; revision <= 50; revision++) file.save(clusterMap({ revision, shards: ["s1"] }));
    await file.flush();
    expect(await new MapFile(directory, logger).read()).toEqual(clusterMap({ revision: 50, shards: ["s1"] }));
  });

  test("is done without when it is damaged", async () => {
    (await open()).close();
    writeFileSync(join(directory, "cluster-map.bin"), Buffer.from([0xff, 0xff, 0xff]));
    expect(await new MapFile(directory, logger).read()).toBeUndefined();
  });
});
