/** `prism status`: one screen that says what is wrong, since when, and what happens next. */
import { setTimeout as delay } from "node:timers/promises";
import { PrismError, type PrismClient } from "@prism/client";
import type { StatusResponse } from "@prism/api/status";
import { connect, connectTo, isInKubernetes } from "../connection.js";
import { findCluster } from "../kube-cluster.js";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { CommandError, EXIT } from "../exit-code.js";
import { statusScreen } from "../status-screen.js";

export interface StatusOptions {
  readonly watch: boolean;
  readonly intervalSeconds: number;
}

/** Returns the exit code: 0 ok, 4 degraded or without control plane, 5 unavailable or unknown. */
export async function status(
  context: Context,
  options: StatusOptions,
  global: GlobalOptions,
): Promise<number> {
  const cluster = isInKubernetes(global) ? await findCluster(global) : undefined;
  const client = cluster === undefined ? await connect(global, true) : await connectTo(cluster);
  try {
    if (options.watch) return await watch(context, client, options, global);
    return show(context, await client.status({ timeoutMs: 5000 }), global);
  } catch (error) {
    if (cluster === undefined || !(error instanceof PrismError)) throw error;
    // No node answers: what the operator has written of the cluster is all there is to know.
    const words = [`no node of ${cluster.name} answers: ${error.message}`, ...cluster.describe()];
    throw new CommandError(words.join("\n"), EXIT.unreachable.code);
  } finally {
    await client.close();
    await cluster?.api.close();
  }
}

function show(context: Context, answer: StatusResponse, global: GlobalOptions): number {
  if (global.json) printJson(context, answer);
  else print(context, statusScreen(answer, Date.now(), context.paint));
  switch (answer.status) {
    case "ok":
      return answer.controlPlane === "away" ? EXIT.degraded.code : EXIT.ok.code;
    case "degraded":
      return EXIT.degraded.code;
    case "unavailable":
    case "unknown":
      return EXIT.unavailable.code;
  }
}

/** Redraws until the process is interrupted; a cluster that is away for a moment does not end it. */
async function watch(
  context: Context,
  client: PrismClient,
  options: StatusOptions,
  global: GlobalOptions,
): Promise<number> {
  const clear = context.stdout.isTTY === true && !global.json ? "\u001b[H\u001b[2J" : "";
  const stopped = new AbortController();
  process.once("SIGINT", () => stopped.abort());
  let code: number = EXIT.ok.code;
  while (!stopped.signal.aborted) {
    try {
      const answer = await client.status({ timeoutMs: 5000, signal: stopped.signal });
      context.stdout.write(clear);
      code = show(context, answer, global);
    } catch (error) {
      if (stopped.signal.aborted) break;
      code = EXIT.unreachable.code;
      context.stdout.write(`${clear}${(error as Error).message}\n`);
    }
    await delay(options.intervalSeconds * 1000, undefined, { signal: stopped.signal }).catch(() => undefined);
  }
  return code;
}
