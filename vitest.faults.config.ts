import { defineConfig } from "vitest/config";
import processes from "./vitest.process.config.js";

// Faults of processes, disks and networks. One file after another, as the other tests of processes.
export default defineConfig({
  test: { ...processes.test, include: ["test/src/faults/**/*.test.ts"], exclude: [] },
});
