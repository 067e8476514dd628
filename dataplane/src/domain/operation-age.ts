/**
 * Operation ids that carry their time. The table that makes a retry exact goes back a window; an id
 * made longer ago than half of it may have been executed and forgotten, so it is refused, not
 * executed a second time; so is one of a time whose operations have been forgotten early, because there
 * were too many to remember. Ids that are no UUIDv7 carry no time and are the client's to keep fresh.
 */
import { Problem } from "@prism/api/problem-code";

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** Milliseconds since 1970 (RFC 9562, section 5.7). */
export function uuidV7TimeMs(id: string): number | undefined {
  return UUID_V7.test(id) ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}

/** `rememberedSinceMs`: operations of before may have been forgotten. */
export function operationAgeProblem(
  operationId: string,
  nowMs: number,
  windowMs: number,
  rememberedSinceMs: number,
): Problem | undefined {
  const madeMs = uuidV7TimeMs(operationId);
  const sinceMs = Math.max(nowMs - windowMs / 2, rememberedSinceMs);
  if (madeMs === undefined || madeMs >= sinceMs) return undefined;
  const detail =
    `operation id ${operationId} was made ${Math.round((nowMs - madeMs) / 1000)} s ago by its own time; ` +
    `retries are exact for ${Math.round((nowMs - sinceMs) / 1000)} s now. If it is new, correct the clock of the client.`;
  return new Problem("operationIdReused", detail);
}
