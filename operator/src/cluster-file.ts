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

/** @throws {ClusterFileError} */
export function parseClusterFile(text: string, file: string): PrismCluster {
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
  try {
    return parseCluster(document.toJS({ maxAliasCount: 100 }));
  } catch (error) {
    if (!(error instanceof Problem) || error.violations.length === 0) throw error;
    throw new ClusterFileError(
      error.violations.map(({ pointer, detail }) => {
        const offset = offsetOf(document, pointer);
        return `${at(offset)}: ${pointer === "" ? "" : `${pointer.slice(1).replaceAll("/", ".")}: `}${detail}`;
      }),
    );
  }
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
