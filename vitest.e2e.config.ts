import { defineConfig } from "vitest/config";

// Scenarios on a cluster: one after another, since all of them break the same nodes. On a cluster that KUBECONFIG
// names, those that break its machines are left out.
const ownCluster = process.env["KUBECONFIG"] === undefined;

export default defineConfig({
  test: {
    include: ["e2e/src/scenarios/*.e2e.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", ...(ownCluster ? [] : ["**/*-fault.e2e.test.ts"])],
    globalSetup: ["./e2e/src/scenario-tests.ts"],
    pool: "forks",
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 240_000,
  },
});
