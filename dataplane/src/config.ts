/**
 * A node's own settings, read once. A setting is given as a flag, an environment variable or a key of
 * the JSON file named by --config, and the first of these three that has it decides.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { LIMIT_NAMES, limitEnvironmentVariable, parseLimits, type Limits } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";

export interface HostPort {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface NodeSettings {
  readonly dataDirectory: string;
  readonly name: string;
  readonly httpAddress: HostPort;
  readonly peerAddress: HostPort;
  readonly adminAddress: HostPort;
  /** The host that others reach this node by; "" to take the host it listens on. */
  readonly advertiseHost: string;
  /** Holds tls.crt, tls.key and ca.crt for the internal port; "" to speak plainly there. */
  readonly tlsDirectory: string;
  /** Worker threads; 0 to derive them from the processors. */
  readonly workers: number;
  readonly limits: Limits;
  readonly logLevel: LogLevel;
  /** Stop when the process that started this one is gone. */
  readonly exitWithParent: boolean;
}

/** Every setting with what it takes: flag, environment variable and key are made of its name. */
const SETTINGS = {
  data: "a directory",
  name: "1 to 63 letters, digits, - _ or .",
  httpAddress: "host:port",
  peerAddress: "host:port",
  adminAddress: "host:port",
  advertiseHost: "a host name or address",
  tlsDirectory: "a directory",
  workers: "0 to 64, 0 to derive it",
  logLevel: LOG_LEVELS.join(" | "),
  exitWithParent: "true | false",
} as const;
type SettingName = keyof typeof SETTINGS;
const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

const DEFAULTS = {
  name: "node",
  httpAddress: "127.0.0.1:3080",
  peerAddress: "127.0.0.1:7000",
  adminAddress: "127.0.0.1:3090",
  advertiseHost: "",
  tlsDirectory: "",
  workers: "0",
  logLevel: "info",
  exitWithParent: "false",
} as const;

/** Every violation of the settings, one per line, each with its key and what to do. */
export class SettingsError extends Error {
  readonly violations: readonly string[];

  constructor(violations: readonly string[]) {
    super(violations.join("\n"));
    this.name = "SettingsError";
    this.violations = violations;
  }
}

/** @throws {SettingsError} naming every violation. */
export function parseSettings(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): NodeSettings {
  const violations: string[] = [];
  const flags = readFlags(argv, violations);
  const configPath = flags.get("config") ?? env["PRISM_CONFIG"];
  const file = configPath === undefined ? {} : readConfigFile(configPath, violations);
  const text = (name: SettingName): string | undefined => {
    const given = flags.get(name) ?? env[environmentVariable(name)] ?? file[name];
    if (given === undefined) return name === "data" ? undefined : DEFAULTS[name];
    return typeof given === "string" ? given : JSON.stringify(given);
  };
  const violate = (name: SettingName, value: string): void => {
    violations.push(`${describeSetting(name)}: ${JSON.stringify(value)} is not ${SETTINGS[name]}`);
  };
  const read = <T>(name: SettingName, parse: (value: string) => T | undefined, fallback: T): T => {
    const value = text(name) ?? "";
    const parsed = parse(value);
    if (parsed === undefined) violate(name, value);
    return parsed ?? fallback;
  };

  const dataDirectory = text("data");
  if (dataDirectory === undefined || dataDirectory === "") {
    violations.push(`${describeSetting("data")}: is missing; give the directory for this node's data`);
  }
  const nowhere: HostPort = { host: "", port: 0 };
  const settings: NodeSettings = {
    dataDirectory: resolve(dataDirectory ?? ""),
    name: read("name", parseName, ""),
    httpAddress: read("httpAddress", parseHostPort, nowhere),
    peerAddress: read("peerAddress", parseHostPort, nowhere),
    adminAddress: read("adminAddress", parseHostPort, nowhere),
    advertiseHost: text("advertiseHost") ?? "",
    tlsDirectory: text("tlsDirectory") ?? "",
    workers: read("workers", parseWorkers, 0),
    limits: readLimits(file["limits"], env, violations),
    logLevel: read("logLevel", (value) => LOG_LEVELS.find((level) => level === value), "info"),
    exitWithParent: read("exitWithParent", parseBoolean, false),
  };
  if (violations.length > 0) throw new SettingsError(violations);
  return settings;
}

/** host:port, [IPv6]:port. */
export function parseHostPort(value: string): HostPort | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(value);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

export function formatHostPort({ host, port }: HostPort): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function environmentVariable(name: SettingName): string {
  return `PRISM_${kebab(name).replaceAll("-", "_").toUpperCase()}`;
}

function describeSetting(name: SettingName): string {
  return `${name} (--${kebab(name)}, ${environmentVariable(name)})`;
}

/** `--name value`, `--name=value`; `--exit-with-parent` alone means true. */
function readFlags(argv: readonly string[], violations: string[]): Map<SettingName | "config", string> {
  const names = new Map<string, SettingName | "config">([["config", "config"]]);
  for (const name of SETTING_NAMES) names.set(kebab(name), name);
  const flags = new Map<SettingName | "config", string>();
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? "";
    const match = /^--([a-z-]+)(?:=(.*))?$/s.exec(argument);
    const name = names.get(match?.[1] ?? "");
    if (name === undefined) {
      const known = [...names.keys()].map((flag) => `--${flag}`).join(", ");
      violations.push(`${JSON.stringify(argument)}: unknown argument; known are ${known}`);
      continue;
    }
    if (flags.has(name)) violations.push(`--${kebab(name)}: given twice; leave one out`);
    const next = argv[i + 1];
    if (match?.[2] !== undefined) flags.set(name, match[2]);
    else if (name === "exitWithParent" && (next === undefined || next.startsWith("--")))
      flags.set(name, "true");
    else if (next === undefined) violations.push(`--${kebab(name)}: needs a value`);
    else {
      flags.set(name, next);
      i += 1;
    }
  }
  return flags;
}

function readConfigFile(path: string, violations: string[]): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    violations.push(`config (--config, PRISM_CONFIG): ${path} can't be read as JSON: ${why}`);
    return {};
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    violations.push(`config (--config, PRISM_CONFIG): ${path} must hold a JSON object`);
    return {};
  }
  for (const key of Object.keys(parsed)) {
    if (key === "limits" || Object.hasOwn(SETTINGS, key)) continue;
    violations.push(`${key} in ${path}: unknown key; known are ${[...SETTING_NAMES, "limits"].join(", ")}`);
  }
  return parsed as Record<string, unknown>;
}

function readLimits(
  fromFile: unknown,
  env: Readonly<Record<string, string | undefined>>,
  violations: string[],
): Limits {
  const isObject = typeof fromFile === "object" && fromFile !== null && !Array.isArray(fromFile);
  if (fromFile !== undefined && !isObject) violations.push("limits: must be an object of numbers");
  const limits: Record<string, unknown> = isObject ? { ...fromFile } : {};
  for (const name of LIMIT_NAMES) {
    const value = env[limitEnvironmentVariable(name)];
    // Number("") is 0, which for some limits is a value.
    if (value !== undefined) limits[name] = value.trim() === "" ? value : Number(value);
  }
  try {
    return parseLimits(limits);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    for (const { pointer, detail } of error.violations) {
      violations.push(`limits${pointer.replaceAll("/", ".")}: ${detail}`);
    }
    return parseLimits({});
  }
}

function parseName(value: string): string | undefined {
  return /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/.test(value) ? value : undefined;
}

function parseWorkers(value: string): number | undefined {
  const workers = /^\d{1,2}$/.test(value) ? Number(value) : Number.NaN;
  return workers <= 64 ? workers : undefined;
}

function parseBoolean(value: string): boolean | undefined {
  return value === "true" ? true : value === "false" ? false : undefined;
}
