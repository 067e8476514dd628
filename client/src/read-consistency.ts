/** The level of consistency of a read: what a program says, and what is sent for it. */
import type { ConsistencyInput, ConsistencyLevel } from "@prism/api/consistency";

/** A level alone, or with what belongs to it: `"strong"`, `{ level: "bounded", maxStalenessMs: 2000 }`. */
export type ReadConsistency = ConsistencyLevel | ConsistencyInput;

/**
 * In the form of a search's body; undefined: the server's default. A client's own session goes with every
 * level but eventual, so that its reads never go back.
 *
 * @param token what this client has written and seen; "" for nothing
 */
export function resolveConsistency(
  asked: ReadConsistency | undefined,
  token: string,
): ConsistencyInput | undefined {
  if (asked === undefined) return token === "" ? undefined : { level: "readYourWrites", session: token };
  const consistency: ConsistencyInput = typeof asked === "string" ? { level: asked } : asked;
  const level = consistency.level ?? "eventual";
  if (level === "eventual" || consistency.session !== undefined) return consistency;
  if (token !== "") return { ...consistency, session: token };
  // Of a client that has written and seen nothing, any copy shows all of it.
  return level === "readYourWrites" ? undefined : consistency;
}

/** The same as parameters of a query string. */
export function addConsistency(query: URLSearchParams, consistency: ConsistencyInput | undefined): void {
  const { level = "eventual", session, maxStalenessMs, allowDowngrade } = consistency ?? {};
  if (level === "eventual") return;
  if (level !== "readYourWrites") query.set("consistency", level);
  if (session !== undefined) query.set("session", session);
  if (maxStalenessMs !== undefined) query.set("maxStalenessMs", String(maxStalenessMs));
  if (allowDowngrade === true) query.set("allowDowngrade", "true");
}
