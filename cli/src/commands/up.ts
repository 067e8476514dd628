/** `prism up` and `prism down`: a local cluster as background processes. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseClusterFile, ClusterFileError } from "@prism/operator/cluster-file";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { CommandError, EXIT } from "../exit-code.js";
import { readOperator, readStatus, startOperator, stopOperator } from "../local-directory.js";
import { table } from "../terminal.js";

export interface UpOptions {
  readonly nodes: number;
  readonly name: string;
  readonly waitSeconds: number;
}

/** The version of the data plane that this command line starts. */
const VERSION = "0.1.0";

export async function up(
  context: Context,
  file: string | undefined,
  options: UpOptions,
  global: GlobalOptions,
): Promise<void> {
  const directory = resolve(global.data);
  const running = await readOperator(directory);
  if (running === undefined) {
    const clusterFile = await clusterFileFor(directory, file, options);
    context.stderr.write(`starting in ${directory} ...\n`);
    await startOperator(directory, clusterFile, options.waitSeconds * 1000);
  } else if (file !== undefined) {
    throw new CommandError(
      `a cluster runs in ${directory} (process ${running.pid}): \`prism down\` first, or use another --data`,
    );
  }
  const operator = await readOperator(directory);
  const status = operator === undefined ? undefined : await readStatus(operator);
  if (operator === undefined || status === undefined)
    throw new CommandError("the cluster ended again", EXIT.failed.code);
  const nodes = status.nodes.map(({ name, zone, httpUrl }) => ({ name, zone, httpUrl }));
  if (global.json)
    return printJson(context, { clusterName: status.clusterName, dataDirectory: directory, nodes });
  const first = nodes[0]?.httpUrl ?? "";
  print(context, [
    `${context.paint("green", "ready")}: cluster ${status.clusterName}, ${status.activeNodes} nodes, data in ${directory}`,
    ...table(
      nodes.map((node) => [node.name, `zone ${node.zone}`, node.httpUrl]),
      "  ",
    ),
    "",
    "next:",
    "  prism status",
    "  prism collection create notes --text body",
    `  curl ${first}/api/v1/status`,
    "  prism down",
  ]);
}

export async function down(context: Context, global: GlobalOptions): Promise<void> {
  const directory = resolve(global.data);
  const operator = await readOperator(directory);
  if (operator === undefined) {
    if (global.json) return printJson(context, { stopped: false });
    return print(context, [`no cluster runs in ${directory}`]);
  }
  if (!(await stopOperator(operator, 60_000))) {
    throw new CommandError(`process ${operator.pid} did not end within 60 s`, EXIT.failed.code);
  }
  if (global.json) return printJson(context, { stopped: true });
  print(context, [`stopped; the data stays in ${directory}`]);
}

/** The file given, or the one that an earlier start left in the data directory, or a new default. */
async function clusterFileFor(
  directory: string,
  file: string | undefined,
  options: UpOptions,
): Promise<string> {
  const own = join(directory, "cluster.yaml");
  if (file !== undefined) {
    const text = await readClusterFile(file);
    checkClusterFile(text, file);
    await mkdir(directory, { recursive: true });
    await writeFile(own, text);
    return own;
  }
  try {
    await readFile(own);
    return own;
  } catch {
    await mkdir(directory, { recursive: true });
    const text = defaultCluster(options);
    checkClusterFile(text, own);
    await writeFile(own, text);
    return own;
  }
}

async function readClusterFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch {
    throw new CommandError(`${file}: no such file`);
  }
}

function checkClusterFile(text: string, file: string): void {
  try {
    parseClusterFile(text, file);
  } catch (error) {
    throw error instanceof ClusterFileError ? new CommandError(error.message) : error;
  }
}

function defaultCluster(options: UpOptions): string {
  const factor = Math.min(3, options.nodes);
  return [
    "apiVersion: prism.dev/v1alpha1",
    "kind: PrismCluster",
    "metadata:",
    `  name: ${options.name}`,
    "spec:",
    `  version: ${VERSION}`,
    `  mode: ${options.nodes === 1 ? "Single" : "Cluster"}`,
    `  nodes: ${options.nodes}`,
    `  replication: {factor: ${factor}, minReplicasForWrite: ${Math.min(2, factor)}}`,
    "",
  ].join("\n");
}
