import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const BENCH = fileURLToPath(new URL("../../bench/dist/main.js", import.meta.url));

interface QuickResults {
  readonly singleNode: {
    readonly recallAt10: number;
    readonly vector: {
      readonly loads: readonly { readonly requests: number; readonly serverCpuUs: number }[];
    };
  };
  readonly threeNodes: {
    readonly writes: { readonly plain: readonly { readonly documentsPerSecond: number }[] };
  };
  readonly placement: { readonly copiesPlaced: number };
  readonly peers: { readonly fts5: { readonly agreement: number } };
}

test("the quick benchmark runs from data to figures, and finds what exact search finds", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [BENCH, "--quick", "--json"]);
  const { singleNode, threeNodes, placement, peers } = JSON.parse(stdout) as QuickResults;
  expect(singleNode.recallAt10).toBeGreaterThanOrEqual(0.99);
  expect(peers.fts5.agreement).toBeGreaterThan(0.9);
  for (const { requests, serverCpuUs } of singleNode.vector.loads) {
    expect(requests).toBeGreaterThan(0);
    expect(serverCpuUs).toBeGreaterThan(0);
  }
  expect(threeNodes.writes.plain.length).toBeGreaterThan(0);
  for (const { documentsPerSecond } of threeNodes.writes.plain) expect(documentsPerSecond).toBeGreaterThan(0);
  expect(placement.copiesPlaced).toBe(3000);
});
