/** What the figures were taken on and with. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import type { Machine } from "./results.js";

/** To be called before the run. */
export function describeMachine(): Machine {
  const processors = cpus();
  return {
    processor: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    system: `${type()} ${release()}`,
    loadBefore: loadavg()[0]!,
  };
}

export function collectVersions(): Record<string, string> {
  const versions: Record<string, string> = {
    prism: manifestVersion(new URL("../package.json", import.meta.url)),
  };
  versions["node"] = process.versions.node;
  const resolve = createRequire(import.meta.url).resolve;
  for (const name of ["usearch", "libsql", "lmdb"]) versions[name] = installedVersion(resolve(name), name);
  return versions;
}

/** The manifest is found from the entry file: packages need not export it. */
function installedVersion(entry: string, name: string): string {
  const end = entry.lastIndexOf(`/${name}/`) + name.length + 2;
  return manifestVersion(new URL(`file://${entry.slice(0, end)}package.json`));
}

function manifestVersion(url: URL): string {
  return (JSON.parse(readFileSync(url, "utf8")) as { readonly version: string }).version;
}
