/** kubectl and helm against the API server of the kube tests. */
import { join } from "node:path";
import { kubeBinaries } from "../cluster/kube-binary.js";
import { CommandError, runCommand } from "../cluster/run-command.js";

export interface Identity {
  /** Name of a user to act as. */
  readonly user: string;
  readonly groups?: readonly string[];
}

/** As the API server knows a service account. */
export function serviceAccount(namespace: string, name: string): Identity {
  const groups = ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"];
  return { user: `system:serviceaccount:${namespace}:${name}`, groups };
}

export class Kubectl {
  readonly #namespace: string;
  readonly #identity: Identity | undefined;

  constructor(namespace: string, identity?: Identity) {
    this.#namespace = namespace;
    this.#identity = identity;
  }

  /** The same namespace, as somebody else. */
  as(identity: Identity): Kubectl {
    return new Kubectl(this.#namespace, identity);
  }

  /** @throws {CommandError} with what kubectl said. */
  async run(args: readonly string[], input?: string, timeoutMs?: number): Promise<string> {
    const { user, groups = [] } = this.#identity ?? {};
    const impersonation =
      user === undefined ? [] : ["--as", user, ...groups.flatMap((group) => ["--as-group", group])];
    const command = [
      join(await kubeBinaries(), "kubectl"),
      "--namespace",
      this.#namespace,
      ...impersonation,
      ...args,
    ];
    return runCommand(command, {
      env: kubeEnvironment(),
      ...(input === undefined ? {} : { input }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }

  async apply(yaml: string): Promise<string> {
    return this.run(["apply", "-f", "-"], yaml);
  }

  async json(...args: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.run([...args, "-o", "json"]));
  }

  /** What kubectl says when it is refused. @throws {Error} when it is not. */
  async refusal(args: readonly string[], input?: string): Promise<string> {
    let output: string;
    try {
      output = await this.run(args, input);
    } catch (error) {
      if (error instanceof CommandError) return error.output;
      throw error;
    }
    throw new Error(`not refused: ${args.join(" ")}: ${output}`);
  }
}

/** More than the time that its --wait is given. */
const HELM_TIMEOUT_MS = 200_000;

/** @throws {CommandError} with what helm said. */
export async function helm(...args: readonly string[]): Promise<string> {
  return runCommand([join(await kubeBinaries(), "helm"), ...args], {
    env: kubeEnvironment(),
    timeoutMs: HELM_TIMEOUT_MS,
  });
}

function kubeEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, KUBECONFIG: process.env["PRISM_KUBECONFIG"] };
}
