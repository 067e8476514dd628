/** The built `prism` command as a child process, on a data directory of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { statusResponseSchema, type StatusResponse } from "@prism/api/status";

const PROGRAM = fileURLToPath(new URL("../../cli/dist/main.js", import.meta.url));
const TIMEOUT_MS = 60_000;

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class PrismCommand {
  readonly dataDirectory: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(dataDirectory: string, env: Readonly<Record<string, string>> = {}) {
    this.dataDirectory = dataDirectory;
    const inherited = Object.entries(process.env).filter(([name]) => !/^(PRISM_|FORCE_COLOR$)/.test(name));
    this.#env = { ...Object.fromEntries(inherited), ...env };
  }

  /** Runs to the end; `input` is its standard input. */
  async run(args: readonly string[], input = ""): Promise<CommandResult> {
    const child = this.start(args);
    child.stdin?.end(input);
    return resultOf(child);
  }

  start(args: readonly string[]): ChildProcess {
    const flags = [PROGRAM, "--data", this.dataDirectory, ...args];
    return spawn(process.execPath, flags, { env: this.#env, timeout: TIMEOUT_MS });
  }

  async status(): Promise<StatusResponse> {
    const { stdout, stderr } = await this.run(["status", "--json"]);
    if (stdout === "") throw new Error(`no status: ${stderr}`);
    return statusResponseSchema.parse(JSON.parse(stdout));
  }

  /** Process id of the control plane. */
  async operatorPid(): Promise<number> {
    return readPid(join(this.dataDirectory, "operator.json"));
  }

  async nodePid(name: string): Promise<number> {
    return readPid(join(this.dataDirectory, "nodes", name, "data", "listening.json"));
  }
}

export async function resultOf(child: ChildProcess): Promise<CommandResult> {
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code));
  });
  return { code, stdout: stdout(), stderr: stderr() };
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

async function readPid(path: string): Promise<number> {
  return (JSON.parse(await readFile(path, "utf8")) as { pid: number }).pid;
}
