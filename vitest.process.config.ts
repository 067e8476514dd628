import { defineConfig } from "vitest/config";

// Tests that start whole clusters of processes: one after another, so that each has the machine.
export default defineConfig({
  test: {
    include: ["test/src/**/*.test.ts"],
    // They have a command of their own: `make faults`.
    exclude: ["test/src/faults/**"],
    pool: "forks",
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 60_000,
  },
});
