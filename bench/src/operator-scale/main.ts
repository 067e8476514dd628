/**
 * `make bench BENCH=--operator-scale`: a control plane of a large cluster, at rest and when a zone is lost. With
 * `--memory` over a store in memory instead of an API server: what is left is the control plane's own work.
 */
import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MemoryStore } from "@prism/operator/adapters/local/memory-store";
import type { Store } from "@prism/operator/ports/store";
import { describeMachine } from "../machine.js";
import { openKubeStore } from "./kube-home.js";
import { measureOperatorScale, type OperatorScaleResults } from "./operator-scale.js";
import { renderScalePage, scaleRows } from "./scale-page.js";

const { values } = parseArgs({
  options: {
    "operator-scale": { type: "boolean", default: true },
    nodes: { type: "string", default: "1000" },
    shards: { type: "string", default: "10000" },
    zones: { type: "string", default: "3" },
    rest: { type: "string", default: "20" },
    memory: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

const PAGE = fileURLToPath(new URL("../../../docs/operator-scale.md", import.meta.url));

interface Home {
  readonly store: Store;
  readonly close: () => Promise<void>;
}

async function main(): Promise<void> {
  const beganMs = performance.now();
  const progress = (line: string): void => {
    process.stderr.write(`${((performance.now() - beganMs) / 1000).toFixed(1).padStart(6)} s  ${line}\n`);
  };
  const machine = describeMachine();
  const shards = Number(values.shards);
  const { store, close }: Home = values.memory
    ? { store: new MemoryStore(), close: () => Promise.resolve() }
    : await openKubeStore(progress);
  try {
    const results = await measureOperatorScale(
      {
        nodes: Number(values.nodes),
        zones: Number(values.zones),
        shards,
        shardsPerCollection: Math.min(250, shards),
        storeKind: values.memory ? "memory" : "API server",
        restSeconds: Number(values.rest),
      },
      store,
      progress,
    );
    const given = process.argv.slice(2).filter((argument) => argument !== "--write");
    if (values.write || given.every((argument) => argument === "--operator-scale")) {
      const at = new Date().toISOString().slice(0, 10);
      const command = `make bench BENCH="${given.join(" ")}"`;
      const nodeVersion = process.versions.node;
      const page = renderScalePage({ at, command, machine, loadAfter: loadavg()[0]!, nodeVersion, results });
      writeFileSync(PAGE, page);
    }
    process.stdout.write(values.json ? `${JSON.stringify(results, null, 2)}\n` : textOf(results));
  } finally {
    await close();
  }
}

function textOf(results: OperatorScaleResults): string {
  const { nodes, shards, storeKind } = results;
  return [
    `${nodes} nodes, ${shards} shards of three copies, store: ${storeKind}`,
    ...scaleRows(results).map(([what, figure]) => `  ${what.padEnd(72)} ${figure}`),
    "",
  ].join("\n");
}

await main();
