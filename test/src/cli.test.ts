import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TEST_HEALTH } from "./cluster-under-test.js";
import { PrismCommand, resultOf, type CommandResult } from "./prism-command.js";
import { makeTestDirectory } from "./test-directory.js";
import { waitUntil } from "./wait-until.js";

const NODES = ["node-a-0", "node-b-0", "node-c-0"];
const SECRET = "a-key-that-must-not-leak";

let directory: Awaited<ReturnType<typeof makeTestDirectory>>;
let prism: PrismCommand;

beforeAll(async () => {
  directory = await makeTestDirectory();
  prism = new PrismCommand(join(directory.path, "data"), { PRISM_API_KEY: SECRET });
});

afterAll(async () => {
  for (const name of ["data", "single"]) await new PrismCommand(join(directory.path, name)).run(["down"]);
  await directory.remove();
});

/** Writes a file into the test's directory and returns its path. */
async function fileOf(name: string, content: string): Promise<string> {
  const path = join(directory.path, name);
  await writeFile(path, content);
  return path;
}

function clusterYaml(more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: "laptop" },
    spec: { version: "0.1.0", nodes: 3, health: TEST_HEALTH, ...more },
  });
}

function ndjson(documents: readonly unknown[]): string {
  return documents.map((document) => `${JSON.stringify(document)}\n`).join("");
}

async function exitCodeBecomes(wanted: number, args: readonly string[]): Promise<CommandResult> {
  let last: CommandResult | undefined;
  try {
    return await waitUntil(`exit code ${wanted} of ${args.join(" ")}`, 30_000, async () => {
      last = await prism.run(args);
      return last.code === wanted && last;
    });
  } catch (error) {
    throw new Error(`the last was ${last?.code}: ${last?.stdout}${last?.stderr}`, { cause: error });
  }
}

describe("before there is a cluster", () => {
  test("a cluster file that is not right is refused with its place, and nothing is made", async () => {
    const file = await fileOf(
      "bad.yaml",
      "apiVersion: prism.dev/v1alpha1\nkind: PrismCluster\nspec:\n  nodes: many\n",
    );
    const { code, stderr } = await prism.run(["up", file]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/bad\.yaml:4:10: spec\.nodes: /);
    expect(existsSync(prism.dataDirectory)).toBe(false);
  });

  test("commands say so, and how to start one", async () => {
    const { code, stderr } = await prism.run(["status"]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^prism: no cluster runs in .*: start it with `prism up`/);
    expect(await prism.run(["down"])).toMatchObject({ code: 0 });
    const away = await prism.run(["--endpoint", "http://127.0.0.1:9", "status"]);
    expect(away.code).toBe(3);
    expect(away.stderr).toContain("no connection to http://127.0.0.1:9");
  });
});

describe("a cluster on this machine", () => {
  test("starts from a file, and is not started twice", async () => {
    const file = await fileOf("cluster.yaml", clusterYaml());
    const first = await prism.run(["up", file]);
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toMatch(/^ready: cluster laptop, 3 nodes/);
    expect(first.stdout).toContain(`prism --data ${prism.dataDirectory} status`);
    const second = await prism.run(["up"]);
    expect(second).toMatchObject({ code: 0 });
    expect(second.stdout).toMatch(/^already running: cluster laptop, 3 nodes/);
    expect(await prism.run(["up", "--nodes", "1"])).toMatchObject({ code: 2 });
    expect(await prism.run(["up", file])).toMatchObject({ code: 2 });
  });

  test("makes, lists and deletes collections, and protects those that ask for it", async () => {
    const created = await prism.run(
      ["collection", "create", "notes", "--text", "body:english", "--keyword", "tag"].concat([
        "--integer",
        "year",
        "--vector",
        "place:2:l2",
        "--shards",
        "3",
      ]),
    );
    expect(created).toMatchObject({ code: 0, stderr: "" });
    expect(created.stdout).toContain("collection notes: 3 shards, fields body (text), tag (keyword)");
    const differs = await prism.run(["collection", "create", "notes", "--text", "title"]);
    expect(differs.code).toBe(1);
    expect(differs.stderr).toContain("collectionDiffers");
    const file = await fileOf("kept.yaml", "deletionProtection: true\nfields:\n- {name: body, type: text}\n");
    expect(await prism.run(["collection", "create", "kept", "--file", file])).toMatchObject({ code: 0 });
    const refused = await prism.run(["collection", "delete", "kept", "--yes"]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("deletionProtected");
    expect(await prism.run(["collection", "create", "gone", "--text", "body"])).toMatchObject({ code: 0 });
    const unsure = await prism.run(["collection", "delete", "gone"]);
    expect(unsure.code).toBe(2);
    expect(unsure.stderr).toContain("--yes");
    expect(await prism.run(["collection", "delete", "gone", "--yes"])).toMatchObject({ code: 0 });
    const { stdout } = await prism.run(["collection", "list", "--json"]);
    const names = (JSON.parse(stdout) as { name: string }[]).map((one) => one.name);
    expect(names.toSorted()).toEqual(["kept", "notes"]);
  });

  test("loads documents, and reports by their lines those that are not right", async () => {
    const documents = Array.from({ length: 700 }, (_, i) => ({
      id: `d${i}`,
      body: i === 0 ? "the whale sings" : "speeches of war",
      tag: i % 2 === 0 ? "even" : "odd",
      year: 1900 + (i % 100),
      place: [i, 0],
    }));
    const loaded = await prism.run(["load", "notes", await fileOf("notes.ndjson", ndjson(documents))]);
    expect(loaded).toMatchObject({ code: 0, stderr: "" });
    expect(loaded.stdout).toMatch(/^700 documents written .*; 0 failed\n$/);
    const bad = '{"id":"g1","body":"fine"}\n\n{broken\n{"id":"b1","body":7}\n{"id":"g2"}\n';
    const partly = await prism.run(["load", "notes", await fileOf("bad.ndjson", bad)]);
    expect(partly.code).toBe(1);
    expect(partly.stdout).toMatch(/^2 documents written .*; 2 failed\n$/);
    expect(partly.stderr).toMatch(/line 3: notADocument: is not JSON/);
    expect(partly.stderr).toMatch(/line 4 \(id b1\): wrongFieldType: /);
    const array = await prism.run(["load", "notes", "--json"], '[{"id":"a1"},\n {"id":"a2"}]');
    expect(array.code).toBe(0);
    expect(JSON.parse(array.stdout)).toMatchObject({ succeeded: 2, failed: 0, failures: [] });
    const missing = await prism.run(["load", "nowhere"], '{"id":"a"}\n');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain("collectionNotFound");
    expect(await prism.run(["load", "notes", directory.path])).toMatchObject({
      code: 2,
      stderr: `prism: ${directory.path}: is a directory\n`,
    });
  });

  test("searches by text, vector, both, filter and a whole request", async () => {
    const text = await prism.run(["search", "notes", "whales", "--fields", "body^2"]);
    expect(text).toMatchObject({ code: 0, stderr: "" });
    expect(text.stdout).toMatch(/^1 match, [\d.]+ ms\n1\. d0 {2}\d/);
    expect(text.stdout).toContain("   body: the whale sings\n");
    const ids = async (args: readonly string[], input = ""): Promise<string[]> => {
      const { stdout, stderr } = await prism.run(["search", "notes", "--json", ...args], input);
      if (stderr !== "") throw new Error(stderr);
      return (JSON.parse(stdout) as { results: { id: string }[] }).results.map((hit) => hit.id);
    };
    const filter = '{"and":[{"field":"year","gte":1999},{"field":"tag","in":["odd"]}]}';
    const request = { queries: [{ text: { query: "sings", fields: ["body"] } }] };
    const [byText, byVector, hybrid, byFilter, byRequest] = await Promise.all([
      ids(["whales"]),
      ids(["--vector", "place=[41.2,0]", "--limit", "2"]),
      ids(["whales", "--vector", "place=[0,0]", "--limit", "1"]),
      ids(["--filter", filter, "--limit", "100"]),
      ids(["--request", "-"], JSON.stringify(request)),
    ]);
    expect(byText).toEqual(["d0"]);
    expect(byVector).toEqual(["d41", "d42"]);
    expect(hybrid).toEqual(["d0"]);
    expect(byFilter).toHaveLength(7);
    expect(byRequest).toEqual(["d0"]);
    const mistakes = [
      ["--filter", "{"],
      ["--vector", "place"],
      ["x", "--fields", "body^y"],
    ];
    const codes = mistakes.map(async (args) => (await prism.run(["search", "notes", ...args])).code);
    expect(await Promise.all(codes)).toEqual([2, 2, 2]);
    const unknown = await prism.run(["search", "notes", "x", "--fields", "bodi"]);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("unknownField");
  });

  test("does not mind a reader that goes away", async () => {
    const child = prism.start(["search", "notes", "war", "--limit", "700", "--json"]);
    child.stdout?.destroy();
    expect(await resultOf(child)).toMatchObject({ code: 0, stderr: "" });
  });

  test("is degraded without one node, says why, since when and what is next, and recovers", async () => {
    await exitCodeBecomes(0, ["status"]);
    const pid = await prism.nodePid("node-b-0");
    process.kill(pid, "SIGSTOP");
    try {
      const { stdout } = await exitCodeBecomes(4, ["status"]);
      expect(stdout).toMatch(/^laptop: degraded {3}2\/3 nodes/);
      expect(stdout).toMatch(/node\/node-b-0 {2}for \d+ s\n {2}what: .+\n {2}next: .+\n/);
      const status = await prism.status();
      expect(status.problems.some((problem) => problem.object === "node/node-b-0")).toBe(true);
    } finally {
      process.kill(pid, "SIGKILL");
    }
    await exitCodeBecomes(0, ["status"]);
    expect(await prism.nodePid("node-b-0")).not.toBe(pid);
  });

  test("is unavailable when too few copies are left for writes, and still says so", async () => {
    const pids = [await prism.nodePid("node-b-0"), await prism.nodePid("node-c-0")];
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    try {
      const { stdout } = await exitCodeBecomes(5, ["status"]);
      expect(stdout).toMatch(/^laptop: unavailable/);
    } finally {
      for (const pid of pids) process.kill(pid, "SIGCONT");
    }
    await exitCodeBecomes(0, ["status"]);
  });

  test("is watched until interrupted", async () => {
    const child = prism.start(["status", "--watch", "--interval", "1"]);
    const result = resultOf(child);
    let screens = 0;
    child.stdout?.on("data", (chunk: Buffer) => {
      screens += chunk.toString().split("laptop: ok").length - 1;
    });
    await waitUntil("two screens", 20_000, () => screens >= 2);
    child.kill("SIGINT");
    expect(await result).toMatchObject({ code: 0, stderr: "" });
  });

  test("writes all that a stranger needs into one bundle, and neither documents nor keys", async () => {
    const path = join(directory.path, "bundle.json.gz");
    expect(await prism.run(["debug", "bundle", path])).toMatchObject({ code: 0, stderr: "" });
    const text = gunzipSync(await readFile(path)).toString("utf8");
    const bundle = JSON.parse(text) as {
      status: { clusterName: string };
      controlPlane: Record<string, string>;
      nodes: Record<string, Record<string, string>>;
      logs: Record<string, string>;
    };
    expect(bundle.status.clusterName).toBe("laptop");
    expect(bundle.controlPlane["debug"]).toMatch(/^200\n.*"events":\[\{/);
    expect(bundle.controlPlane["metrics"]).toMatch(/^200\n/);
    expect(Object.keys(bundle.nodes)).toEqual(NODES);
    for (const name of NODES) {
      const pages = bundle.nodes[name] ?? {};
      expect(Object.keys(pages)).toEqual(["livez", "readyz", "metrics", "debug", "debug/protocol-events"]);
      for (const page of Object.values(pages)) expect(page).toMatch(/^200\n/);
      expect(pages["metrics"]).toContain("prism_node_state");
      expect(pages["debug"]).toContain('"map"');
      expect(bundle.logs[name]).toContain(name);
    }
    const eventsOf = (name: string): string => bundle.nodes[name]?.["debug/protocol-events"] ?? "";
    expect(NODES.map(eventsOf).join("\n")).toContain('"activated"');
    expect(bundle.logs["operator"]).toContain("ready");
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain("whale");
  });

  test("keeps its documents and addresses over down and up", async () => {
    const before = (await prism.status()).nodes.map((node) => node.httpUrl);
    const down = await prism.run(["down"]);
    expect(down).toMatchObject({ code: 0 });
    expect(down.stdout).toContain("the data stays");
    expect(await prism.run(["status"])).toMatchObject({ code: 3 });
    const wrong = await fileOf(
      "other.yaml",
      clusterYaml({ nodes: 1, mode: "Single", replication: { factor: 1 } }),
    );
    const refused = await prism.run(["up", wrong]);
    expect(refused.code).not.toBe(0);
    expect(await prism.run(["up"])).toMatchObject({ code: 0 });
    expect((await prism.run(["search", "notes", "whale"])).stdout).toMatch(/^1 match/);
    expect((await prism.status()).nodes.map((node) => node.httpUrl)).toEqual(before);
  });

  test("starts without a node whose data is damaged, says which and why, and heals by itself", async () => {
    expect(await prism.run(["down"])).toMatchObject({ code: 0 });
    const path = join(prism.dataDirectory, "nodes/node-b-0/data/format.json");
    const sound = await readFile(path);
    await writeFile(path, "{broken");
    const up = await prism.run(["up"]);
    expect(up.code).toBe(4);
    expect(up.stdout).toMatch(/^degraded: cluster laptop, 2 of 3 nodes/);
    expect(up.stdout).toMatch(/node-b-0 +zone b +not ready/);
    expect(up.stdout).toMatch(
      /WorkloadBackOff {2}node\/node-b-0\n {2}what: .*lastExit: exit code 3: .*format\.json/,
    );
    expect(up.stdout).toMatch(/ {2}next: .+\n {2}log: {2}.*node-b-0\/node\.log/);
    const status = await exitCodeBecomes(4, ["status"]);
    expect(status.stdout).toMatch(/critical: WorkloadBackOff {2}node\/node-b-0/);
    expect(await prism.run(["load", "notes"], '{"id":"degraded","body":"written"}\n')).toMatchObject({
      code: 0,
    });
    expect(await prism.run(["up"])).toMatchObject({ code: 4 });
    await writeFile(path, sound);
    await exitCodeBecomes(0, ["status"]);
    expect(await prism.run(["up"])).toMatchObject({ code: 0 });
  });

  test("does not start when no node does, and says of each why", async () => {
    expect(await prism.run(["down"])).toMatchObject({ code: 0 });
    const paths = NODES.map((name) => join(prism.dataDirectory, "nodes", name, "data/format.json"));
    const sound = await Promise.all(paths.map((path) => readFile(path)));
    for (const path of paths) await writeFile(path, "{broken");
    const { code, stderr } = await prism.run(["up", "--wait", "4"]);
    expect(code).toBe(1);
    for (const name of NODES) expect(stderr).toMatch(new RegExp(`${name}: .*exit code 3: .*format\\.json`));
    for (const [i, path] of paths.entries()) await writeFile(path, sound[i]!);
    expect(await prism.run(["up"])).toMatchObject({ code: 0 });
  });

  test("comes back after all its processes were killed", async () => {
    const pids = [
      await prism.operatorPid(),
      ...(await Promise.all(NODES.map((name) => prism.nodePid(name)))),
    ];
    for (const pid of pids) killIfThere(pid);
    const gone = await exitCodeBecomes(3, ["status"]);
    expect(gone.stderr).toMatch(/has ended without being told to: .*start it with `prism up`/);
    const stopped = await prism.run(["down"]);
    expect(stopped.code).toBe(0);
    expect(stopped.stdout).toContain("has ended without being told to");
    expect(await prism.run(["up"])).toMatchObject({ code: 0 });
    expect((await prism.run(["search", "notes", "whale"])).stdout).toMatch(/^1 match/);
    expect(await prism.run(["down"])).toMatchObject({ code: 0 });
  });
});

/** A node ends by itself when its control plane does, and may be faster than the signal. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

test("a cluster of one node starts, and takes another port when its own is taken meanwhile", async () => {
  const single = new PrismCommand(join(directory.path, "single"));
  expect(await single.run(["up", "--nodes", "1", "--name", "solo"])).toMatchObject({ code: 0 });
  const [node] = (await single.status()).nodes;
  expect(await single.run(["collection", "create", "notes", "--text", "body"])).toMatchObject({ code: 0 });
  expect(await single.run(["load", "notes"], '{"id":"a","body":"hello"}\n')).toMatchObject({ code: 0 });
  expect(await single.run(["down"])).toMatchObject({ code: 0 });
  expect(await single.run(["up", "--nodes", "3"])).toMatchObject({ code: 2 });
  const squatter = createServer().listen(Number(new URL(node!.httpUrl).port), "127.0.0.1");
  await once(squatter, "listening");
  try {
    expect(await single.run(["up"])).toMatchObject({ code: 0 });
    const status = await single.status();
    expect(status).toMatchObject({ status: "ok", clusterMode: "Single", clusterName: "solo" });
    expect(status.nodes[0]?.httpUrl).not.toBe(node?.httpUrl);
    expect((await single.run(["search", "notes", "hello"])).stdout).toMatch(/^1 match/);
  } finally {
    squatter.close();
  }
});
