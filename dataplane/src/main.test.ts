import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

const PROGRAM = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const WAIT = { timeout: 20_000, interval: 20 };

let directory: string;
const children: ChildProcess[] = [];
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "prism-main-"))));
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

class Program {
  readonly child: ChildProcess;
  output = "";
  errors = "";
  readonly exit: Promise<number | null>;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, UV_THREADPOOL_SIZE: "16", ...env },
    });
    children.push(this.child);
    this.child.stdout?.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    this.child.stderr?.on("data", (chunk: Buffer) => (this.errors += chunk.toString()));
    this.exit = once(this.child, "close").then(([code]) => code as number | null);
  }

  lines(): Record<string, unknown>[] {
    return this.output
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async line(message: string): Promise<Record<string, unknown>> {
    return await vi.waitFor(() => {
      const found = this.lines().find(({ msg }) => msg === message);
      if (found === undefined) throw new Error(`no line ${message} in ${this.output} ${this.errors}`);
      return found;
    }, WAIT);
  }
}

const ANY_PORTS = ["http", "peer", "admin"].flatMap((name) => [`--${name}-address`, "127.0.0.1:0"]);

function start(...extra: readonly string[]): Program {
  return new Program(["--data", join(directory, "data"), "--workers", "1", ...ANY_PORTS, ...extra]);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie that nobody has waited for yet has ended all the same.
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

describe("the node program", () => {
  test("says where it listens, on its output and in its data directory, and ends in order when told to", async () => {
    const program = start("--name", "a-0");
    const line = await program.line("listening");
    expect(line).toMatchObject({ node: "a-0", pid: program.child.pid });
    const record: unknown = JSON.parse(readFileSync(join(directory, "data", "listening.json"), "utf8"));
    expect(record).toMatchObject({
      pid: program.child.pid,
      nodeId: line["nodeId"],
      peerAddress: line["peer"],
    });
    expect((await fetch(`http://${String(line["admin"])}/livez`)).status).toBe(200);
    program.child.kill("SIGTERM");
    expect(await program.exit).toBe(0);
    expect(program.lines().at(-1)).toMatchObject({ msg: "stopped", reason: "SIGTERM" });
    expect(existsSync(join(directory, "data", "lock.json"))).toBe(false);
    const again = start();
    expect((await again.line("listening"))["nodeId"]).toBe(line["nodeId"]);
  });

  test("exits with 2 and names every setting that is wrong", async () => {
    const program = new Program(["--http-address", "nowhere", "--workers", "-1"]);
    expect(await program.exit).toBe(2);
    const lines = program.errors.trim().split("\n");
    expect(lines).toHaveLength(3);
    expect(program.errors).toContain("--http-address");
    expect(program.errors).toContain("--workers");
    expect(program.errors).toContain("--data");
  });

  test("exits with 3 and one line when a newer version wrote the data", async () => {
    const first = start();
    await first.line("listening");
    first.child.kill("SIGTERM");
    await first.exit;
    const newer = JSON.stringify({ format: 9, minReader: 9, writtenBy: "9.0.0", stores: 1 });
    writeFileSync(join(directory, "data", "format.json"), newer);
    const second = start();
    expect(await second.exit).toBe(3);
    const fatal = second.lines().filter(({ level }) => level === 60);
    expect(fatal).toHaveLength(1);
    expect(fatal[0]?.["detail"]).toContain("9.0.0");
  });

  test("exits with 3 when another process has the data directory", async () => {
    const first = start();
    await first.line("listening");
    const second = start();
    expect(await second.exit).toBe(3);
    expect(second.output).toContain("uses this data directory");
    expect(isAlive(first.child.pid ?? 0)).toBe(true);
  });

  test("ends when its standard input closes, if told to exit with its parent", async () => {
    const program = start("--exit-with-parent");
    await program.line("listening");
    program.child.stdin?.end();
    expect(await program.exit).toBe(0);
    expect(program.output).toContain("the parent process ended");
  });

  test("does not outlive a parent that was killed", async () => {
    const script = `
      const { spawn } = require("node:child_process");
      const child = spawn(process.execPath, ${JSON.stringify([PROGRAM])}.concat(process.argv.slice(1)), { stdio: "ignore" });
      console.log(child.pid);
      setInterval(() => undefined, 1000);`;
    const args = ["--data", join(directory, "data"), "--workers", "1", "--exit-with-parent", ...ANY_PORTS];
    const parent = spawn(process.execPath, ["-e", script, "--", ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(parent);
    const [printed] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(printed.toString());
    await vi.waitFor(() => expect(existsSync(join(directory, "data", "listening.json"))).toBe(true), WAIT);
    parent.kill("SIGKILL");
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), WAIT);
  });

  test("kills itself when its stop hangs, so that it outlives nobody", async () => {
    const hang =
      "import { Worker } from 'node:worker_threads'; Worker.prototype.terminate = () => new Promise(() => {});";
    const program = new Program(
      ["--data", join(directory, "data"), "--workers", "1", "--exit-with-parent", ...ANY_PORTS],
      { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(hang)}` },
    );
    await program.line("listening");
    program.child.stdin?.end();
    const [, signal] = (await once(program.child, "exit")) as [number | null, NodeJS.Signals | null];
    expect(signal).toBe("SIGKILL");
    await program.line("the stop hangs: the process kills itself");
  });
});
