/** The operator's own settings, from its environment. What clusters are is in their objects. */
import { ConfigError } from "../config.js";

export interface OperatorSettings {
  readonly podName: string;
  /** Where its lease lives. */
  readonly podNamespace: string;
  /** That are watched; none for all of them. */
  readonly watchNamespaces: readonly string[];
  /** Of nodes, where a cluster names none; the version is the tag. */
  readonly nodeImageRepository: string;
  readonly adminHost: string;
  readonly adminPort: number;
  readonly logLevel: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error"];
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** @throws {ConfigError} with every violation, each on a line of its own. */
export function parseOperatorSettings(environment: Environment): OperatorSettings {
  const violations: string[] = [];
  const required = (name: string, meaning: string): string => {
    const value = environment[name] ?? "";
    if (value === "") violations.push(`${name}: is required: ${meaning}`);
    return value;
  };
  const watchNamespaces = (environment["PRISM_WATCH_NAMESPACES"] ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  for (const name of watchNamespaces) {
    if (!NAMESPACE.test(name))
      violations.push(`PRISM_WATCH_NAMESPACES: ${JSON.stringify(name)} is no namespace`);
  }
  const logLevel = environment["PRISM_LOG_LEVEL"] || "info";
  if (!LOG_LEVELS.includes(logLevel)) {
    violations.push(`PRISM_LOG_LEVEL: must be one of ${LOG_LEVELS.join(", ")}, not ${logLevel}`);
  }
  const address = environment["PRISM_ADMIN_ADDRESS"] || "0.0.0.0:3090";
  const colon = address.lastIndexOf(":");
  const adminPort = Number(address.slice(colon + 1));
  const isPort = colon > 0 && Number.isInteger(adminPort) && adminPort >= 0 && adminPort <= 65_535;
  if (!isPort) violations.push(`PRISM_ADMIN_ADDRESS: must be host:port, not ${JSON.stringify(address)}`);
  const settings = {
    podName: required("POD_NAME", "the name of the operator's pod"),
    podNamespace: required("POD_NAMESPACE", "the namespace of the operator's pod"),
    watchNamespaces,
    nodeImageRepository: required("PRISM_NODE_IMAGE_REPOSITORY", "the image of nodes, without a tag"),
    adminHost: address.slice(0, colon),
    adminPort,
    logLevel,
  };
  if (violations.length > 0) throw new ConfigError(violations);
  return settings;
}
