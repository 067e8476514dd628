/**
 * Answers that carry documents, as JSON text. A document's fields are JSON already and are put in
 * as they are: parsing and writing them again would be the network thread's largest piece of work.
 */
import type { Document } from "@prism/proto/gen/node";
import type { DocumentAnswer, ScanPage } from "../../services/documents.js";
import type { PageHit } from "../../services/hit-fetcher.js";
import type { SearchAnswer } from "../../services/search.js";

const utf8 = new TextDecoder();

function documentJson({ id, term, seq, fields }: Document): string {
  return `{"id":${JSON.stringify(id)},"term":${term},"seq":${seq},"fields":${utf8.decode(fields)}}`;
}

export function documentAnswerJson({ document, consistency, session }: DocumentAnswer): string {
  return `${documentJson(document).slice(0, -1)},${JSON.stringify({ consistency, session }).slice(1)}`;
}

export function scanJson({ documents, cursor, consistency, session }: ScanPage): string {
  const tail = JSON.stringify({ cursor, consistency, session });
  return `{"documents":[${documents.map(documentJson).join(",")}],${tail.slice(1)}`;
}

export function searchJson(answer: SearchAnswer, tookMs: number, requestId: string): string {
  const { hits, complete, total, aggregations, consistency, shards, explain, session } = answer;
  const head = JSON.stringify({ tookMs, complete, total });
  const tail = JSON.stringify({ aggregations, consistency, shards, explain, session, requestId });
  return `${head.slice(0, -1)},"results":[${hits.map(hitJson).join(",")}],${tail.slice(1)}`;
}

function hitJson({ id, score, parts, fieldsJson }: PageHit): string {
  const head = JSON.stringify({ id, score, parts });
  return fieldsJson === undefined ? head : `${head.slice(0, -1)},"fields":${fieldsJson}}`;
}
