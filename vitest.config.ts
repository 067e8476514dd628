import { defineConfig } from "vitest/config";

// Worker threads and child processes in tests run built output, so `make test` builds first. Files run
// one process each; two at a time is what a small machine holds without tests timing each other out.
export default defineConfig({
  test: {
    include: ["*/src/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "test/src/**", "**/*.{kube,e2e}.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 90_000,
    hookTimeout: 30_000,
  },
});
