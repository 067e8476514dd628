/**
 * `prism debug bundle`: everything somebody else needs to see what happened, in one file: status, each
 * node's map, copies, protocol events and metrics, the control plane's events, log ends, versions. No
 * documents, no keys.
 */
import { open, readdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import type { StatusResponse } from "@prism/api/status";
import { connect } from "../connection.js";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { readOperator } from "../local-directory.js";
import { byteSize } from "../terminal.js";

const LOG_BYTES = 256 * 1024;

export async function debugBundle(
  context: Context,
  output: string | undefined,
  global: GlobalOptions,
): Promise<void> {
  const directory = resolve(global.data);
  const operator = await readOperator(directory);
  const bundle: Record<string, unknown> = {
    madeAt: new Date().toISOString(),
    versions: { node: process.version, platform: process.platform, arch: process.arch },
    status: await statusOf(global),
    controlPlane: operator === undefined ? "none on this machine" : await pages(operator.adminUrl),
    nodes: Object.fromEntries(
      await Promise.all(
        (await adminUrls(directory)).map(async ([name, url]) => [name, await pages(url)] as const),
      ),
    ),
    logs: await logs(directory),
  };
  const path = resolve(output ?? `prism-debug-${Date.now()}.json.gz`);
  const bytes = gzipSync(JSON.stringify(bundle, null, 1));
  await writeFile(path, bytes);
  if (global.json) return printJson(context, { path, bytes: bytes.length });
  print(context, [`wrote ${path} (${byteSize(bytes.length)}); read it with: gunzip -c ${path}`]);
}

async function statusOf(global: GlobalOptions): Promise<StatusResponse | string> {
  try {
    const client = await connect(global);
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
async function pages(url: string): Promise<Record<string, string>> {
  const names = ["livez", "readyz", "metrics", "debug", "status"];
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

/** Each node of the data directory wrote where it listens. */
async function adminUrls(directory: string): Promise<[name: string, url: string][]> {
  const found: [string, string][] = [];
  for (const name of await names(join(directory, "nodes"))) {
    const text = await endOf(join(directory, "nodes", name, "data", "listening.json"));
    if (text !== "") found.push([name, (JSON.parse(text) as { adminUrl: string }).adminUrl]);
  }
  return found;
}

async function logs(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = { operator: await endOf(join(directory, "operator.log")) };
  for (const name of await names(join(directory, "nodes"))) {
    found[name] = await endOf(join(directory, "nodes", name, "node.log"));
  }
  return found;
}

async function names(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch {
    return [];
  }
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
