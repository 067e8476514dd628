/** Reads a PrismCluster from YAML; every error says where in the file it is. */
import { parseCluster, type PrismCluster } from "@prism/api/cluster";
import { Problem } from "@prism/api/problem-code";
import { isNode, LineCounter, parseAllDocuments, type Document } from "yaml";

/** All that is wrong with the file, one line each, as `file:line:column: what`. */
export class ClusterFileError extends Error {
  constructor(lines: readonly string[]) {
    super(lines.join("\n"));
    this.name = "ClusterFileError";
  }
}

/** What local mode cannot do, so that saying nothing of it would be a lie. */
const REFUSED: readonly (readonly [path: readonly string[], value: unknown, detail: string])[] = [
  [["storage", "type"], "Ephemeral", "local mode keeps the data of its nodes; leave it out"],
  [["paused"], true, "local mode changes nothing but at its start; leave it out"],
];

/** What only Kubernetes makes use of: a file for both homes is no mistake, but its reader should know. */
const IGNORED: readonly (readonly string[])[] = [
  ["topology", "labelKey"],
  ["image"],
  ["storage"],
  ["resources"],
  ["pod"],
  ["deletionProtection"],
];

/**
 * @param warn is called with a line for each setting that local mode ignores.
 * @throws {ClusterFileError}
 */
export function parseClusterFile(
  text: string,
  file: string,
  warn: (line: string) => void = () => undefined,
): PrismCluster {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  if (!Array.isArray(documents) || documents.length === 0) {
    throw new ClusterFileError([`${file}:1:1: the file is empty; it must hold one PrismCluster`]);
  }
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const errors = documents.flatMap((document) => document.errors);
  if (errors.length > 0) {
    throw new ClusterFileError(errors.map((error) => `${at(error.pos[0])}: ${error.message}`));
  }
  const [document, second] = documents;
  if (second) {
    const offset = second.contents?.range?.[0] ?? text.length;
    throw new ClusterFileError([`${at(offset)}: the file must hold one PrismCluster and nothing else`]);
  }
  if (!document)
    throw new ClusterFileError([`${file}:1:1: the file is empty; it must hold one PrismCluster`]);
  let cluster: PrismCluster;
  try {
    cluster = parseCluster(document.toJS({ maxAliasCount: 100 }));
  } catch (error) {
    if (!(error instanceof Problem) || error.violations.length === 0) throw error;
    throw new ClusterFileError(
      error.violations.map(({ pointer, detail }) => {
        const offset = offsetOf(document, pointer);
        return `${at(offset)}: ${pointer === "" ? "" : `${pointer.slice(1).replaceAll("/", ".")}: `}${detail}`;
      }),
    );
  }
  const where = (path: readonly string[]): string =>
    `${at(offsetOf(document, `/spec/${path.join("/")}`))}: spec.${path.join(".")}`;
  const refused = REFUSED.filter(([path, value]) => document.getIn(["spec", ...path]) === value);
  if (refused.length > 0) {
    throw new ClusterFileError(
      refused.map(([path, value, detail]) => `${where(path)}: ${String(value)}: ${detail}`),
    );
  }
  for (const path of ignoredPaths(document, cluster)) warn(`${where(path)}: ignored in local mode`);
  return cluster;
}

function ignoredPaths(document: Document, cluster: PrismCluster): (readonly string[])[] {
  const zones = cluster.spec.topology.zones.map((_, i) => [
    "topology",
    "zones",
    String(i),
    "storageClassName",
  ]);
  return [...IGNORED, ...zones].filter((path) => document.hasIn(["spec", ...path.map(toKey)]));
}

/** Where the value is that the pointer names, or the nearest value around it that the file has. */
function offsetOf(document: Document, pointer: string): number {
  const path = pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  for (let length = path.length; length >= 0; length -= 1) {
    const node: unknown = document.getIn(path.slice(0, length).map(toKey), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function toKey(part: string): string | number {
  return /^\d+$/.test(part) ? Number(part) : part;
}
