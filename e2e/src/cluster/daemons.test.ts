import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitUntil } from "@prism/test/wait-until";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Daemons } from "./daemons.js";

describe("daemons", () => {
  let directory: string;
  let daemons: Daemons;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "prism-daemons-"));
    daemons = new Daemons({ directory });
  });

  afterEach(async () => {
    for (const name of daemons.names()) await daemons.stop(name);
    rmSync(directory, { recursive: true });
  });

  it("run until they are stopped, also by another process that finds their record", async () => {
    await daemons.start("sleeper", ["sleep", "600"]);
    expect(daemons.isRunning("sleeper")).toBe(true);
    const another = new Daemons({ directory });
    expect(another.names()).toEqual(["sleeper"]);
    await another.stop("sleeper");
    expect(daemons.isRunning("sleeper")).toBe(false);
  });

  it("are killed when they do not end by a gentler signal", async () => {
    await daemons.start("stubborn", ["bash", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]);
    await waitUntil("it ignores the signal", 10_000, () =>
      readFileSync(daemons.logOf("stubborn"), "utf8").includes("ready"),
    );
    await daemons.stop("stubborn", "SIGTERM");
    expect(daemons.isRunning("stubborn")).toBe(false);
  });

  it("start again with the command that they had, once", async () => {
    await daemons.start("echo", ["bash", "-c", "echo once more; exec sleep 600"]);
    await daemons.stop("echo");
    await daemons.startAgain("echo");
    const pid = daemons.pidOf("echo");
    await daemons.startAgain("echo");
    expect(daemons.pidOf("echo")).toBe(pid);
  });

  it("are not taken for another process that got their number", async () => {
    await daemons.start("short", ["true"]);
    await waitUntil("it has ended", 10_000, () => !daemons.isRunning("short"));
    expect(() => daemons.pidOf("short")).toThrow("short does not run");
    await expect(daemons.startAgain("never")).rejects.toThrow("never was never started");
  });

  it("say when their program is not there", async () => {
    await expect(daemons.start("nothing", ["/nowhere/nothing"])).rejects.toThrow("ENOENT");
  });
});
