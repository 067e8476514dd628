/** `prism up` and `prism down`: a local cluster as background processes. */
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseClusterFile, ClusterFileError } from "@prism/operator/cluster-file";
import { DEFAULT_DATA, type Context, print, printJson, type GlobalOptions } from "../context.js";
import { CommandError, EXIT } from "../exit-code.js";
import {
  describeAbsence,
  readOperator,
  startOperator,
  stopOperator,
  type OperatorFile,
} from "../local-directory.js";
import { counted, table } from "../terminal.js";
import { readTextFile } from "../text-file.js";

export interface UpOptions {
  /** Of a new cluster. Default 3. */
  readonly nodes?: number;
  /** Of a new cluster. Default demo. */
  readonly name?: string;
  readonly waitSeconds: number;
}

/** The version of the data plane that this command line starts. */
const VERSION = "0.1.0";
const CLUSTER_FILE = "cluster.yaml";

/** Returns the exit code: 0 every node is ready, 4 some are and the others are named. */
export async function up(
  context: Context,
  file: string | undefined,
  options: UpOptions,
  global: GlobalOptions,
): Promise<number> {
  const directory = resolve(global.data);
  const before = await readOperator(directory);
  if (before === undefined) await start(context, directory, file, options);
  else refuseChange(directory, before, file, options);
  const operator = before ?? (await readOperator(directory));
  if (operator === undefined) throw new CommandError("the cluster ended again", EXIT.failed.code);
  const { status } = operator;
  if (status === undefined) {
    const detail = `the control plane, process ${operator.pid}, runs but does not answer`;
    throw new CommandError(detail, EXIT.failed.code);
  }
  const missing = status.nodes.filter((node) => node.state !== "alive" || !node.ready);
  const code = missing.length === 0 ? EXIT.ok.code : EXIT.degraded.code;
  const problems = status.problems.filter(({ object }) =>
    missing.some(({ name }) => object === `node/${name}`),
  );
  const nodes = status.nodes.map(({ name, zone, httpUrl, state, ready }) => ({
    name,
    zone,
    httpUrl,
    ready: state === "alive" && ready,
  }));
  if (global.json) {
    const { clusterName } = status;
    printJson(context, { clusterName, dataDirectory: directory, nodes, problems });
    return code;
  }
  const word = code !== EXIT.ok.code ? "degraded" : before === undefined ? "ready" : "already running";
  const state = context.paint(code === EXIT.ok.code ? "green" : "yellow", word);
  const count = `${missing.length === 0 ? "" : `${status.activeNodes} of `}${counted(nodes.length, "node")}`;
  print(context, [
    `${state}: cluster ${status.clusterName}, ${count}, data in ${directory}`,
    ...table(
      nodes.map((node) => [
        node.name,
        `zone ${node.zone}`,
        node.ready ? node.httpUrl : context.paint("red", "not ready"),
      ]),
      "  ",
    ),
    ...problems.flatMap(({ object, reason, message, next }) => [
      "",
      `${context.paint("red", reason)}  ${object}`,
      `  what: ${message}`,
      `  next: ${next}`,
      `  log:  ${join(directory, "nodes", object.slice("node/".length), "node.log")}`,
    ]),
    "",
    "next:",
    ...nextSteps(commandFor(global), nodes.find((node) => node.ready)?.httpUrl ?? ""),
  ]);
  return code;
}

function nextSteps(prism: string, httpUrl: string): string[] {
  return [
    `  ${prism} status`,
    `  ${prism} collection create notes --text body`,
    `  curl ${httpUrl}/api/v1/status`,
    `  ${prism} down`,
  ];
}

async function start(
  context: Context,
  directory: string,
  file: string | undefined,
  options: UpOptions,
): Promise<void> {
  const warn = (line: string): void => void context.stderr.write(`warning: ${line}\n`);
  const text = await clusterText(directory, file, options, warn);
  await mkdir(directory, { recursive: true });
  const kept = join(directory, CLUSTER_FILE);
  context.stderr.write(`starting in ${directory} ...\n`);
  // Kept only when it has started: a file that is refused must not take the place of the one that works.
  await writeFile(`${kept}.new`, text);
  await startOperator(directory, `${kept}.new`, options.waitSeconds * 1000);
  await rename(`${kept}.new`, kept);
}

function refuseChange(
  directory: string,
  operator: OperatorFile,
  file: string | undefined,
  options: UpOptions,
): void {
  if (file === undefined && options.nodes === undefined && options.name === undefined) return;
  throw new CommandError(
    `cluster ${operator.clusterName} runs in ${directory} already (process ${operator.pid}): ` +
      "`prism down` first, or use another --data",
  );
}

/** So that what is printed can be pasted. */
function commandFor(global: GlobalOptions): string {
  const usual = global.data === DEFAULT_DATA || global.data === process.env["PRISM_DATA"];
  return usual ? "prism" : `prism --data ${global.data}`;
}

export async function down(context: Context, global: GlobalOptions): Promise<void> {
  const directory = resolve(global.data);
  const operator = await readOperator(directory);
  if (operator === undefined) {
    if (global.json) return printJson(context, { stopped: false });
    return print(context, [await describeAbsence(directory)]);
  }
  if (!(await stopOperator(operator, 60_000))) {
    throw new CommandError(`process ${operator.pid} did not end within 60 s`, EXIT.failed.code);
  }
  if (global.json) return printJson(context, { stopped: true });
  print(context, [`stopped; the data stays in ${directory}`]);
}

/** The file given, or the one that an earlier start left in the data directory, or a new default. */
async function clusterText(
  directory: string,
  file: string | undefined,
  options: UpOptions,
  warn: (line: string) => void,
): Promise<string> {
  const kept = join(directory, CLUSTER_FILE);
  const isNew = options.nodes !== undefined || options.name !== undefined;
  if (file !== undefined) {
    if (isNew) throw new CommandError("give a file, or --nodes and --name for a new cluster, not both");
    return checked(await readTextFile(file), file, warn);
  }
  if (!existsSync(kept)) return checked(defaultCluster(options), kept, warn);
  if (isNew) {
    throw new CommandError(
      `--nodes and --name are for a new cluster, and ${directory} has one: leave them out, or edit ${kept}`,
    );
  }
  return checked(await readTextFile(kept), kept, warn);
}

function checked(text: string, file: string, warn: (line: string) => void): string {
  try {
    parseClusterFile(text, file, warn);
  } catch (error) {
    throw error instanceof ClusterFileError ? new CommandError(error.message) : error;
  }
  return text;
}

function defaultCluster({ nodes = 3, name = "demo" }: UpOptions): string {
  const factor = Math.min(3, nodes);
  return [
    "apiVersion: prism.dev/v1alpha1",
    "kind: PrismCluster",
    "metadata:",
    `  name: ${JSON.stringify(name)}`,
    "spec:",
    `  version: ${VERSION}`,
    `  mode: ${nodes === 1 ? "Single" : "Cluster"}`,
    `  nodes: ${nodes}`,
    `  replication: {factor: ${factor}, minReplicasForWrite: ${Math.min(2, factor)}}`,
    "",
  ].join("\n");
}
