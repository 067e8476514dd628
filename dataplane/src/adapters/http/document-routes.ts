/** Documents one by one, page by page, and in bulk. Their JSON is never parsed here. */
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { WriteResponse } from "@prism/api/document";
import { Problem } from "@prism/api/problem-code";
import {
  parseBulkQuery,
  parseDocumentQuery,
  parseScanQuery,
  parseWriteQuery,
} from "@prism/api/request-query";
import { findMembers } from "../../domain/json-members.js";
import type { Coordinator } from "../../services/coordinator.js";
import type { WriteCommand } from "../../services/documents.js";
import { documentAnswerJson, scanJson } from "./answer-json.js";
import { progressMsOf, withEmptyLines } from "./progress.js";
import { bytesOf, streamOf } from "./request-body.js";
import { signalOf, type RequestContext } from "./request-context.js";
import * as header from "./request-header.js";

interface DocumentParams {
  Params: { c: string; id: string };
}
interface CollectionParams {
  Params: { c: string };
}

const DOCUMENT = "/collections/:c/documents/:id";
const DOCUMENTS = "/collections/:c/documents";
const BULK = "/collections/:c/bulk";
const JSON_TYPE = "application/json; charset=utf-8";
const NDJSON_TYPE = "application/x-ndjson; charset=utf-8";

export function addDocumentWriteRoutes(
  app: FastifyInstance,
  { documents }: Coordinator,
  context: RequestContext,
): void {
  const write = async (
    request: FastifyRequest<CollectionParams>,
    reply: FastifyReply,
    command: Pick<WriteCommand, "action" | "id" | "document">,
  ): Promise<FastifyReply> => {
    const { shardKey, timeoutMs, waitFor } = parseWriteQuery(request.query);
    const { headers } = request;
    const whole: WriteCommand = {
      ...command,
      shardKey,
      operationId: header.idempotencyKeyOf(headers),
      ifMatch: header.ifMatchOf(headers),
      ifNoneMatch: header.ifNoneMatchOf(headers),
    };
    const { c } = request.params;
    const elsewhere = header.wantsRedirect(headers) ? documents.primaryElsewhere(c, whole) : undefined;
    if (elsewhere !== undefined) return reply.redirect(elsewhere + request.url, 307);
    const waitsForSearchable = waitFor === "searchable";
    const { id, shard, written, session, searchable } = await documents.write(c, whole, {
      ...context.waiting(reply, timeoutMs, "write"),
      waitsForSearchable,
    });
    const { result, term, seq, copies, zones } = written;
    const shown = searchable === undefined ? {} : { searchable };
    const answer = { id, result, shard, term, seq, copies, zones, session, ...shown } as WriteResponse;
    return reply
      .code(result === "created" ? 201 : 200)
      .header("etag", etagOf(term, seq))
      .send(answer);
  };

  app.put<DocumentParams>(DOCUMENT, (request, reply) =>
    write(request, reply, { action: "put", id: request.params.id, document: bytesOf(request) }),
  );
  app.patch<DocumentParams>(DOCUMENT, (request, reply) =>
    write(request, reply, { action: "patch", id: request.params.id, document: bytesOf(request) }),
  );
  app.delete<DocumentParams>(DOCUMENT, (request, reply) =>
    write(request, reply, { action: "delete", id: request.params.id, document: undefined }),
  );
  app.post<CollectionParams>(DOCUMENTS, (request, reply) => {
    const document = bytesOf(request);
    if (findMembers(document)?.has("id") === true) {
      const detail = "POST makes the id; to choose it, PUT /api/v1/collections/{c}/documents/{id}";
      throw new Problem("invalidRequest", detail, {
        violations: [{ pointer: "/id", code: "invalidRequest", detail }],
      });
    }
    const id = documents.newId(request.params.c, header.idempotencyKeyOf(request.headers));
    return write(request, reply, { action: "create", id, document });
  });
}

export function addDocumentReadRoutes(
  app: FastifyInstance,
  { documents }: Coordinator,
  context: RequestContext,
): void {
  app.get<DocumentParams>(DOCUMENT, async (request, reply) => {
    const { timeoutMs, include, consistency, shardKey } = parseDocumentQuery(request.query);
    const { c, id } = request.params;
    const command = { include, consistency, shardKey };
    const answer = await documents.get(c, id, command, context.waiting(reply, timeoutMs, "read"));
    const etag = etagOf(answer.document.term, answer.document.seq);
    void reply.header("etag", etag);
    if (header.hasVersion(request.headers, etag)) return reply.code(304).send();
    return reply.type(JSON_TYPE).send(documentAnswerJson(answer));
  });

  app.get<CollectionParams>(DOCUMENTS, async (request, reply) => {
    const { timeoutMs, cursor, limit, include, consistency } = parseScanQuery(request.query);
    const waiting = context.waiting(reply, timeoutMs, "read");
    const page = await documents.scan(request.params.c, { cursor, limit, include, consistency }, waiting);
    return reply.type(JSON_TYPE).send(scanJson(page));
  });
}

export function addBulkRoute(app: FastifyInstance, { bulk }: Coordinator, context: RequestContext): void {
  app.post<CollectionParams>(BULK, (request, reply) => {
    const query = parseBulkQuery(request.query);
    const timeoutMs = context.timeoutMs(query.timeoutMs, "write");
    const stream = streamOf(request);
    context.countBulk(reply);
    // Destroying the request's stream would cut the connection before the answer is out.
    const body = stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    const answers = bulk.run(request.params.c, body, {
      timeoutMs,
      signal: signalOf(reply),
      operationIdPrefix: header.idempotencyKeyOf(request.headers),
      waitsForSearchable: query.waitFor === "searchable",
    });
    const everyMs = progressMsOf(request);
    const showsProgress = typeof everyMs === "number" && everyMs > 0;
    const lines = showsProgress ? withEmptyLines(answers, everyMs) : answers;
    return reply.type(NDJSON_TYPE).send(Readable.from(lines));
  });
}

function etagOf(term: number, seq: number): string {
  return `"${term}.${seq}"`;
}
