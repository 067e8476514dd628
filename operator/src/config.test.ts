import { expect, test } from "vitest";
import { ConfigError, parseConfig } from "./config.js";

test("reads flags and fills defaults", () => {
  expect(parseConfig(["--cluster", "c.yaml", "--data", "/d", "--admin-port", "0"])).toEqual({
    clusterFile: "c.yaml",
    dataDirectory: "/d",
    adminPort: 0,
    workersPerNode: 0,
    readyTimeoutMs: 30_000,
    logLevel: "info",
  });
});

test("reports all that is wrong at once", () => {
  const wrong = (): unknown =>
    parseConfig(["--data", "/d", "--admin-port", "x", "--colour", "red", "--workers"]);
  expect(wrong).toThrow(ConfigError);
  expect(wrong).toThrow(
    /--colour: unknown[^]*--workers: needs a value[^]*--cluster: is required[^]*--admin-port/,
  );
});
