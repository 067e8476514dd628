/** `node.json`: who this node is. It lies with the data, so that the identity goes where the data goes. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { NodeId } from "../../domain/cluster-map.js";
import { writeFileAtomic } from "./atomic-file.js";
import { readIfThere } from "./format-file.js";
import { ExitCode, StartError } from "./start-error.js";

export interface NodeRecord {
  readonly nodeId: NodeId;
  /** The cluster whose data lie here, "" before the first control plane. */
  readonly clusterId: string;
}

/** @throws {StartError} with ExitCode.data when the file is damaged. */
export async function openNodeFile(dataDirectory: string): Promise<NodeRecord> {
  const path = join(dataDirectory, "node.json");
  const text = await readIfThere(path);
  if (text === undefined) {
    const record: NodeRecord = { nodeId: randomUUID() as NodeId, clusterId: "" };
    await writeNodeFile(dataDirectory, record);
    return record;
  }
  let parsed: Partial<NodeRecord> | null;
  try {
    parsed = JSON.parse(text) as Partial<NodeRecord> | null;
  } catch {
    parsed = null;
  }
  if (typeof parsed?.nodeId !== "string" || parsed.nodeId === "") {
    throw new StartError(
      ExitCode.data,
      `${path}: damaged, so the node's id is unknown. Restore it from a backup, or empty the directory to start ` +
        `as a new node.`,
    );
  }
  return { nodeId: parsed.nodeId, clusterId: parsed.clusterId ?? "" };
}

export async function writeNodeFile(dataDirectory: string, record: NodeRecord): Promise<void> {
  await writeFileAtomic(join(dataDirectory, "node.json"), `${JSON.stringify(record)}\n`);
}
