import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { NodeWorkload, WorkloadEvent } from "../../ports/workloads.js";
import { ChildProcesses } from "./child-processes.js";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Listens on nothing, but says that it does; what else it does is the test's. */
const PROGRAM = `
const { writeFileSync } = require("node:fs");
const value = (flag) => process.argv[process.argv.indexOf(flag) + 1];
console.log("started " + process.argv.slice(2).join(" "));
process.stdin.on("end", () => process.exit(0)).resume();
if (process.env.MODE === "crash") process.exit(3);
if (process.env.MODE === "deaf") process.on("SIGTERM", () => console.log("no"));
writeFileSync(value("--data") + "/listening.json", JSON.stringify({
  pid: process.pid,
  peerAddress: value("--peer-address"),
  httpUrl: "http://" + value("--http-address"),
  adminUrl: "http://" + value("--admin-address"),
}));
setInterval(() => {}, 1000);
`;

interface Started {
  readonly workloads: ChildProcesses;
  readonly events: WorkloadEvent[];
  readonly directory: string;
  /** Resolves with the first event from now on, or of those that came already, that fits. */
  readonly event: (fits: (event: WorkloadEvent) => boolean) => Promise<WorkloadEvent>;
}

function start(
  options: { backOffBaseMs?: number; stopTimeoutMs?: number; directory?: string } = {},
): Started {
  const root = options.directory ?? mkdtempSync(join(tmpdir(), "prism-children-"));
  if (!options.directory) cleanups.push(() => rmSync(root, { recursive: true }));
  const program = join(root, "node.cjs");
  writeFileSync(program, PROGRAM);
  const workloads = new ChildProcesses({
    program,
    directory: join(root, "nodes"),
    wellKnownPorts: false,
    backOffBaseMs: options.backOffBaseMs ?? 10,
    stopTimeoutMs: options.stopTimeoutMs ?? 5000,
  });
  cleanups.push(() => workloads.close());
  const events: WorkloadEvent[] = [];
  const waiting = new Set<() => void>();
  workloads.watch((event) => {
    events.push(event);
    for (const look of waiting) look();
  });
  const event: Started["event"] = (fits) =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = events.find(fits);
        if (!found) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  return { workloads, events, directory: root, event };
}

function workload(name: string, mode = ""): NodeWorkload {
  return { name, clusterName: "demo", workers: 2, env: { MODE: mode } };
}

const isListening = (event: WorkloadEvent): boolean => event.kind === "listening";

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("child processes", () => {
  test("a node is started with its settings, tells where it listens, and logs to a file of its own", async () => {
    const { workloads, event, directory } = start();
    await workloads.ensure(workload("n1"));
    const listening = await event(isListening);
    const [status] = workloads.list();
    expect(listening).toMatchObject({ name: "n1", peerAddress: status?.peerAddress });
    expect(status).toMatchObject({ name: "n1", state: "running", exitsInARow: 0 });
    const log = readFileSync(join(directory, "nodes/n1/node.log"), "utf8");
    expect(log).toContain("--name n1");
    expect(log).toContain("--workers 2");
    expect(log).toContain("--exit-with-parent");
  });

  test("a node whose directory can't be made is tried again, says why, and starts when the cause is gone", async () => {
    const { workloads, event, directory } = start();
    mkdirSync(join(directory, "nodes"));
    writeFileSync(join(directory, "nodes/n1"), "in the way");
    await workloads.ensure(workload("n1"));
    expect(workloads.list()[0]).toMatchObject({ state: "backOff", exitsInARow: 1 });
    expect(workloads.list()[0]?.lastExit).toMatch(/^not started: E(EXIST|NOTDIR)/);
    rmSync(join(directory, "nodes/n1"));
    expect(await event(isListening)).toMatchObject({ name: "n1" });
  });

  test("ensuring the same node again starts nothing", async () => {
    const { workloads, event, events } = start();
    await workloads.ensure(workload("n1"));
    await event(isListening);
    const pid = workloads.list()[0]?.pid;
    await workloads.ensure(workload("n1"));
    expect(workloads.list()[0]?.pid).toBe(pid);
    expect(events).toHaveLength(1);
  });

  test("a node that ends is started again on the same ports", async () => {
    const { workloads, event, events } = start();
    await workloads.ensure(workload("n1"));
    const first = await event(isListening);
    workloads.child("n1")?.kill("SIGKILL");
    expect(await event((one) => one.kind === "exited")).toMatchObject({ signal: "SIGKILL", expected: false });
    await event((one) => isListening(one) && events.indexOf(one) > 1);
    expect(events.at(-1)).toEqual(first);
  });

  test("a node that keeps ending is started after a growing delay", async () => {
    const { workloads, event, events } = start({ backOffBaseMs: 5 });
    await workloads.ensure(workload("n1", "crash"));
    await event(() => events.filter((one) => one.kind === "exited").length >= 4);
    const [status] = workloads.list();
    expect(status?.exitsInARow).toBeGreaterThanOrEqual(4);
    expect(status?.state === "backOff" || status?.state === "starting").toBe(true);
  });

  test("a node that does not end when told is killed after a bounded time", async () => {
    const { workloads, event } = start({ stopTimeoutMs: 100 });
    await workloads.ensure(workload("n1", "deaf"));
    await event(isListening);
    const pid = workloads.list()[0]?.pid ?? 0;
    await workloads.remove("n1");
    expect(isAlive(pid)).toBe(false);
    expect(workloads.list()).toEqual([]);
    expect(await event((one) => one.kind === "exited")).toMatchObject({ signal: "SIGKILL", expected: true });
  });

  test("a node in back-off that is removed is not started again", async () => {
    const { workloads, event, events } = start({ backOffBaseMs: 50 });
    await workloads.ensure(workload("n1", "crash"));
    await event((one) => one.kind === "exited");
    await workloads.remove("n1");
    expect(workloads.list()).toEqual([]);
    expect(events.filter((one) => one.kind === "exited")).toHaveLength(1);
  });

  test("ports and data are kept for the next start of the control plane", async () => {
    const first = start();
    await first.workloads.ensure(workload("n1"));
    const before = await first.event(isListening);
    await first.workloads.close();
    const second = start({ directory: first.directory });
    await second.workloads.ensure(workload("n1"));
    expect(await second.event(isListening)).toEqual(before);
    expect(existsSync(join(first.directory, "nodes/n1/ports.json"))).toBe(true);
  });
});
