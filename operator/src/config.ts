/** The control plane's own settings in local mode. What the cluster is comes from its file. */

export interface OperatorConfig {
  /** The PrismCluster file. */
  readonly clusterFile: string;
  readonly dataDirectory: string;
  /** 0 for any free port. */
  readonly adminPort: number;
  /** Worker threads of each node; 0 lets nodes decide. */
  readonly workersPerNode: number;
  /** How long all nodes may take to be ready at the start; then everything is stopped again. */
  readonly readyTimeoutMs: number;
  readonly logLevel: string;
}

/** Every violation at once, one line each. */
export class ConfigError extends Error {
  constructor(violations: readonly string[]) {
    super(violations.join("\n"));
    this.name = "ConfigError";
  }
}

export const USAGE = `usage: main.js --cluster cluster.yaml --data directory
  [--admin-port 3091]  port of probes, metrics and status on 127.0.0.1; 0 for any
  [--workers 0]        worker threads of each node; 0 lets nodes decide
  [--ready-timeout-ms 30000]  how long nodes may take to be ready at the start
  [--log-level info]   trace | debug | info | warn | error`;

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error"];
const KNOWN = ["cluster", "data", "admin-port", "workers", "ready-timeout-ms", "log-level"];

/** @throws {ConfigError} */
export function parseConfig(argv: readonly string[]): OperatorConfig {
  const violations: string[] = [];
  const flags = new Map<string, string>();
  for (let at = 0; at < argv.length; at += 2) {
    const flag = argv[at] ?? "";
    const value = argv[at + 1];
    const name = flag.replace(/^--/, "");
    if (!flag.startsWith("--") || !KNOWN.includes(name))
      violations.push(`${flag}: unknown; known are ${KNOWN.map((known) => `--${known}`).join(", ")}`);
    else if (value === undefined) violations.push(`${flag}: needs a value`);
    else flags.set(name, value);
  }
  const integer = (name: string, fallback: number, max: number): number => {
    const text = flags.get(name);
    const value = text === undefined ? fallback : Number(text);
    if (!Number.isInteger(value) || value < 0 || value > max) {
      violations.push(`--${name}: must be an integer from 0 to ${max}, not ${text}`);
    }
    return value;
  };
  const required = (name: string): string => {
    const value = flags.get(name);
    if (!value) violations.push(`--${name}: is required`);
    return value ?? "";
  };
  const logLevel = flags.get("log-level") ?? "info";
  if (!LOG_LEVELS.includes(logLevel)) violations.push(`--log-level: must be one of ${LOG_LEVELS.join(", ")}`);
  const config = {
    clusterFile: required("cluster"),
    dataDirectory: required("data"),
    adminPort: integer("admin-port", 3091, 65_535),
    workersPerNode: integer("workers", 0, 64),
    readyTimeoutMs: integer("ready-timeout-ms", 30_000, 3_600_000),
    logLevel,
  };
  if (violations.length > 0) throw new ConfigError(violations);
  return config;
}
