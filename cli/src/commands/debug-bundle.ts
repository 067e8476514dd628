/**
 * `prism debug bundle`: everything somebody else needs to see what happened, in one file: status, each
 * node's map, copies, protocol events and metrics, the control plane's events, log ends, versions. No
 * documents, no keys.
 */
import { open, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import type { StatusResponse } from "@prism/api/status";
import { connect, isInKubernetes } from "../connection.js";
import { collectFromKubernetes } from "../kube-bundle.js";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { CommandError } from "../exit-code.js";
import { describeAbsence, listeningNodes, nodeNames, readOperator } from "../local-directory.js";
import { byteSize } from "../terminal.js";

const LOG_BYTES = 256 * 1024;
const NODE_PAGES = ["livez", "readyz", "metrics", "debug"];

export async function debugBundle(
  context: Context,
  output: string | undefined,
  global: GlobalOptions,
): Promise<void> {
  const bundle: Record<string, unknown> = {
    madeAt: new Date().toISOString(),
    versions: { node: process.version, platform: process.platform, arch: process.arch },
    status: await statusOf(global),
    ...(isInKubernetes(global) ? await collectFromKubernetes(global) : await collectLocal(global)),
  };
  const path = resolve(output ?? `prism-debug-${Date.now()}.json.gz`);
  const bytes = gzipSync(JSON.stringify(bundle, null, 1));
  try {
    await writeFile(path, bytes);
  } catch (error) {
    throw new CommandError(`${path}: ${(error as Error).message}`);
  }
  if (global.json) return printJson(context, { path, bytes: bytes.length });
  print(context, [`wrote ${path} (${byteSize(bytes.length)}); read it with: gunzip -c ${path}`]);
}

async function collectLocal(global: GlobalOptions): Promise<Record<string, unknown>> {
  const directory = resolve(global.data);
  const operator = await readOperator(directory);
  const nodes = await listeningNodes(directory);
  return {
    controlPlane:
      operator === undefined
        ? await describeAbsence(directory)
        : await pages(operator.adminUrl, [...NODE_PAGES, "status"]),
    nodes: Object.fromEntries(
      await Promise.all(
        nodes.map(
          async ({ name, adminUrl }) =>
            [name, await pages(adminUrl, [...NODE_PAGES, "debug/protocol-events"])] as const,
        ),
      ),
    ),
    logs: await logs(directory),
  };
}

async function statusOf(global: GlobalOptions): Promise<StatusResponse | string> {
  try {
    const client = await connect(global, true);
    try {
      return await client.status({ timeoutMs: 5000 });
    } finally {
      await client.close();
    }
  } catch (error) {
    return (error as Error).message;
  }
}

/** Probes, metrics and the debug page of one process; what does not answer says so. */
async function pages(url: string, names: readonly string[]): Promise<Record<string, string>> {
  const entries = await Promise.all(names.map(async (name) => [name, await page(`${url}/${name}`)] as const));
  return Object.fromEntries(entries);
}

async function page(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    return `${response.status}\n${await response.text()}`;
  } catch (error) {
    return `no answer: ${(error as Error).message}`;
  }
}

async function logs(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = { operator: await endOf(join(directory, "operator.log")) };
  for (const name of await nodeNames(directory)) {
    found[name] = await endOf(join(directory, "nodes", name, "node.log"));
  }
  return found;
}

async function endOf(path: string): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const buffer = Buffer.alloc(Math.min(size, LOG_BYTES));
      await file.read(buffer, 0, buffer.length, size - buffer.length);
      return buffer.toString("utf8");
    } finally {
      await file.close();
    }
  } catch {
    return "";
  }
}
