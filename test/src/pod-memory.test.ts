import { planMemory } from "@prism/dataplane/domain/memory-budget";
import { memoryBudgetFor, networkHeapMegabytesFor } from "@prism/operator/resources/node-settings";
import { expect, test } from "vitest";

const MiB = 1024 * 1024;

test.each(["256Mi", "1Gi", "4Gi", "16Gi", "64Gi"])(
  "a pod of %s limits the heap of its network thread to what the node plans with",
  (memory) => {
    const resources = { requests: {}, limits: { memory } };
    const configuredBytes = memoryBudgetFor(resources)!;
    const facts = { configuredBytes, limitBytes: undefined, machineBytes: 128 * 1024 * MiB };
    const planned = Math.floor(planMemory(facts, 2).mainHeapBytes / MiB);
    expect(networkHeapMegabytesFor(resources)).toBe(planned);
  },
);
