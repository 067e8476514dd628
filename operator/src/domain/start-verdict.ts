/** Whether the start of a cluster is over: with all nodes, with some, or not yet. */

export interface StartingNode {
  readonly name: string;
  /** Alive and taking requests. */
  readonly ready: boolean;
  /** Its process keeps ending, so often in a row. */
  readonly exitsInARow: number;
}

export type StartVerdict =
  | { readonly kind: "ready" | "waiting" }
  /** Some nodes are ready and waiting longer for these is no use. */
  | { readonly kind: "degraded"; readonly missing: readonly string[] }
  /** No node is ready and the time is over. */
  | { readonly kind: "failed"; readonly missing: readonly string[] };

/** A node that ended so often in a row has a cause that waiting does not remove. */
const HOPELESS_EXITS = 3;

export function startVerdict(nodes: readonly StartingNode[], isTimeOver: boolean): StartVerdict {
  const missing = nodes.filter((node) => !node.ready);
  if (missing.length === 0) return { kind: "ready" };
  const names = missing.map((node) => node.name);
  const someReady = missing.length < nodes.length;
  if (isTimeOver) return { kind: someReady ? "degraded" : "failed", missing: names };
  const hopeless = missing.every((node) => node.exitsInARow >= HOPELESS_EXITS);
  return someReady && hopeless ? { kind: "degraded", missing: names } : { kind: "waiting" };
}
