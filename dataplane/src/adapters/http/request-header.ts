/** The request headers that mean something here. All throw Problem `invalidRequest`. */
import type { IncomingHttpHeaders } from "node:http";
import { VERSION_TAG } from "@prism/api/document";
import { Problem } from "@prism/api/problem-code";

const REQUEST_ID = /^[A-Za-z0-9._:/+=@-]{1,128}$/;
const ENTITY_TAG = /^(?:W\/)?"([^"]*)"$/;

/** X-Request-Id if it is one that can be logged and sent back; undefined otherwise. */
export function requestIdOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers["x-request-id"];
  return typeof given === "string" && REQUEST_ID.test(given) ? given : undefined;
}

/** If-Match as "<term>.<seq>", without its quotes. */
export function ifMatchOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers["if-match"];
  if (given === undefined) return undefined;
  const tag = ENTITY_TAG.exec(given)?.[1] ?? given;
  if (!VERSION_TAG.test(tag)) {
    throw new Problem("invalidRequest", 'If-Match must be one ETag of a document: "<term>.<seq>"');
  }
  return tag;
}

/** If-None-Match of a write: `*` alone. */
export function ifNoneMatchOf(headers: IncomingHttpHeaders): boolean {
  const given = headers["if-none-match"];
  if (given === undefined) return false;
  if (given.trim() !== "*") throw new Problem("invalidRequest", "If-None-Match of a write must be *");
  return true;
}

/** If-None-Match of a read: whether the reader has this version already. */
export function hasVersion(headers: IncomingHttpHeaders, etag: string): boolean {
  const given = headers["if-none-match"];
  return given !== undefined && given.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}

/** Idempotency-Key; a quoted string (as the IETF draft has it) is taken without its quotes. */
export function idempotencyKeyOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers["idempotency-key"];
  if (given === undefined) return undefined;
  const key = Array.isArray(given) ? given.join(",") : given;
  return /^"([^"]+)"$/.exec(key)?.[1] ?? key;
}

/** Prism-Misdirected: redirect. */
export function wantsRedirect(headers: IncomingHttpHeaders): boolean {
  const given = headers["prism-misdirected"];
  if (given === undefined || given === "forward") return false;
  if (given !== "redirect") {
    throw new Problem("invalidRequest", "Prism-Misdirected must be redirect or forward");
  }
  return true;
}
