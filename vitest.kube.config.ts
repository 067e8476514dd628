import { defineConfig } from "vitest/config";

// Tests against a real API server: one for all files, which run one after another, since what they install is
// visible to the whole server.
export default defineConfig({
  test: {
    include: ["*/src/**/*.kube.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    globalSetup: ["./e2e/src/kube-tests.ts"],
    pool: "forks",
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
