/** Bodies: kept as bytes by the server, read here by whoever needs more. All throw Problem. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Readable } from "node:stream";
import { Problem } from "@prism/api/problem-code";
import { strictObject, parseWith } from "@prism/api/schema";
import { parseJson } from "../../domain/document-route.js";

const JSON_TYPE = /^application\/(?:[a-z0-9.-]+\+)?json(?:\s*;|$)/i;
const NDJSON_TYPE = /^application\/(?:x-ndjson|ndjson|jsonl)(?:\s*;|$)/i;

/** JSON bodies become bytes, NDJSON bodies streams; other types are refused with 415. */
export function addBodyParsers(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(JSON_TYPE, { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.addContentTypeParser(NDJSON_TYPE, (_request, body, done) => done(null, body));
}

/** A compressed body would be read as damaged JSON, or worse, as nothing special. */
export function refuseEncoding(request: FastifyRequest): Problem | undefined {
  const encoding = request.headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") return undefined;
  return new Problem(
    "unsupportedMediaType",
    `Content-Encoding ${encoding} is not taken; send the body as it is`,
  );
}

/** The bytes of a JSON body. */
export function bytesOf(request: FastifyRequest): Buffer {
  const { body } = request;
  if (Buffer.isBuffer(body) && body.length > 0) return body;
  if (body === undefined || body === null || Buffer.isBuffer(body)) {
    throw new Problem("invalidJson", "the body is empty; send a JSON object");
  }
  throw new Problem("unsupportedMediaType", "send Content-Type: application/json");
}

export function jsonBodyOf(request: FastifyRequest): unknown {
  return parseJson(bytesOf(request));
}

/** The stream of an NDJSON body. */
export function streamOf(request: FastifyRequest): Readable {
  const { body } = request;
  if (body !== undefined && body !== null && !Buffer.isBuffer(body)) return body as Readable;
  throw new Problem("unsupportedMediaType", "bulk takes Content-Type: application/x-ndjson");
}

const nothing = strictObject({});

/** For paths without query parameters: one that is passed over in silence would mislead. */
export function refuseQuery(request: FastifyRequest): void {
  parseWith(nothing, request.query, "query string");
}
