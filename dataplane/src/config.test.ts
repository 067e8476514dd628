import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { parseHostPort, parseSettings, SettingsError } from "./config.js";

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "prism-config-"))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function writeConfig(content: unknown): string {
  const path = join(directory, "node.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

function violationsOf(argv: string[], env: Record<string, string> = {}): readonly string[] {
  try {
    parseSettings(argv, env);
  } catch (error) {
    if (error instanceof SettingsError) return error.violations;
    throw error;
  }
  return [];
}

describe("node settings", () => {
  test("need nothing but the data directory", () => {
    expect(parseSettings(["--data", "/var/lib/prism"], {})).toEqual({
      dataDirectory: "/var/lib/prism",
      name: "node",
      httpAddress: { host: "127.0.0.1", port: 3080 },
      peerAddress: { host: "127.0.0.1", port: 7000 },
      adminAddress: { host: "127.0.0.1", port: 3090 },
      advertiseHost: "",
      tlsDirectory: "",
      workers: 0,
      limits: DEFAULT_LIMITS,
      logLevel: "info",
      exitWithParent: false,
    });
  });

  test("are taken from the flag, then the environment, then the file", () => {
    const path = writeConfig({
      data: "/file",
      name: "of-file",
      workers: 2,
      logLevel: "warn",
      limits: { queries: 3 },
    });
    const env = {
      PRISM_CONFIG: path,
      PRISM_NAME: "of-env",
      PRISM_WORKERS: "3",
      PRISM_LIMITS_BODY_BYTES: "1000000",
    };
    const settings = parseSettings(["--workers=4", "--exit-with-parent", "--http-address", "[::1]:0"], env);
    expect(settings).toMatchObject({
      dataDirectory: "/file",
      name: "of-env",
      workers: 4,
      logLevel: "warn",
      exitWithParent: true,
      httpAddress: { host: "::1", port: 0 },
      limits: { queries: 3, bodyBytes: 1_000_000 },
    });
  });

  test("are refused with every violation at once, each with its key", () => {
    const path = writeConfig({ worker: 2, limits: { queries: 1000, query: 1 } });
    const argv = [
      "--config",
      path,
      "--http-address",
      "3080",
      "--workers",
      "many",
      "--log-level",
      "loud",
      "--port",
      "1",
    ];
    const violations = violationsOf(argv, { PRISM_LIMITS_FIELDS: "" });
    const text = violations.join("\n");
    expect(text).toContain('"--port": unknown argument');
    expect(text).toContain("worker in");
    expect(text).toContain("data (--data, PRISM_DATA): is missing");
    expect(text).toContain('httpAddress (--http-address, PRISM_HTTP_ADDRESS): "3080" is not host:port');
    expect(text).toContain('workers (--workers, PRISM_WORKERS): "many"');
    expect(text).toContain('"loud" is not trace | debug');
    expect(text).toContain("limits.queries");
    expect(text).toContain("limits.query");
    expect(text).toContain("limits.fields");
  });

  test("say what is wrong with the file itself", () => {
    const missing = join(directory, "absent.json");
    expect(violationsOf(["--data", "/d", "--config", missing]).join()).toContain("can't be read as JSON");
    expect(violationsOf(["--data", "/d", "--config", writeConfig("[]")]).join()).toContain(
      "must hold a JSON object",
    );
  });

  test("refuse a flag without its value and one given twice", () => {
    expect(violationsOf(["--data"]).join()).toContain("--data: needs a value");
    expect(violationsOf(["--data", "/a", "--data", "/b"]).join()).toContain("given twice");
  });
});

describe("an address", () => {
  test.each([
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
    ["node-1.prism:7000", { host: "node-1.prism", port: 7000 }],
    ["[::]:65535", { host: "::", port: 65_535 }],
  ])("%s is read", (text, expected) => {
    expect(parseHostPort(text)).toEqual(expected);
  });

  test.each(["", "7000", "host", "host:", "host:65536", "::1:7000", "a b:1", "[::1]"])(
    "%j is refused",
    (text) => {
      expect(parseHostPort(text)).toBeUndefined();
    },
  );
});
