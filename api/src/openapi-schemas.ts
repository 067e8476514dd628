/** The zod schemas of HTTP bodies as the named JSON schemas of the OpenAPI document. */
import * as z from "zod";
import * as collection from "./collection.js";
import * as dataLoss from "./data-loss.js";
import * as document from "./document.js";
import { fieldSchema } from "./field.js";
import { problemSchema, violationSchema } from "./problem.js";
import { routingResponseSchema } from "./routing.js";
import * as search from "./search.js";
import * as status from "./status.js";
import { verifyResponseSchema } from "./verify.js";

/** What clients send: defaulted keys may be left out. */
const SENT = {
  CollectionBody: collection.collectionBodySchema,
  CollectionPatch: collection.collectionPatchSchema,
  NewField: fieldSchema,
  DocumentBody: document.documentBodySchema,
  BulkLine: document.bulkLineSchema,
  SearchRequest: search.searchRequestSchema,
  SearchQuery: search.searchQuerySchema,
  Filter: search.filterSchema,
  AggregationRequest: search.aggregationSchema,
  CountRequest: search.countRequestSchema,
  AcceptDataLoss: dataLoss.acceptDataLossSchema,
} as const;

/** What clients get: every key that is not optional is there. */
const ANSWERED = {
  Collection: collection.collectionSpecSchema,
  CollectionList: collection.collectionListSchema,
  CollectionDeleted: collection.collectionDeletedSchema,
  Field: fieldSchema,
  WriteResponse: document.writeResponseSchema,
  Document: document.documentSchema,
  DocumentResponse: document.documentResponseSchema,
  ScanResponse: document.scanResponseSchema,
  BulkResult: document.bulkResultSchema,
  BulkSummary: document.bulkSummarySchema,
  SearchResponse: search.searchResponseSchema,
  CountResponse: search.countResponseSchema,
  RoutingResponse: routingResponseSchema,
  StatusResponse: status.statusResponseSchema,
  VerifyResponse: verifyResponseSchema,
  DataLoss: dataLoss.dataLossSchema,
  DataLossAccepted: dataLoss.dataLossAcceptedSchema,
  Problem: problemSchema,
  Violation: violationSchema,
} as const;

export type SentName = keyof typeof SENT;
export type AnsweredName = keyof typeof ANSWERED;
export type JsonSchema = Readonly<Record<string, unknown>>;

export function schemaRef(name: SentName | AnsweredName): { readonly $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}

function describeAll(schemas: Readonly<Record<string, z.ZodType>>, io: "input" | "output") {
  const registry = z.registry<{ id?: string | undefined }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  const described = z.toJSONSchema(registry, {
    io,
    uri: (id) => `#/components/schemas/${id}`,
    override: ({ jsonSchema }) => {
      // The bounds of what JSON numbers can hold say nothing about the field.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      // Answers may get more keys; only what clients send is closed.
      if (io === "output" && jsonSchema.additionalProperties === false)
        delete jsonSchema.additionalProperties;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  });
  return Object.entries(described.schemas).map(([id, schema]) => {
    // OpenAPI names the dialect and the place of a schema itself.
    delete schema.$schema;
    delete schema.$id;
    return [id, schema] as const;
  });
}

/** `components.schemas` of the OpenAPI document. */
export function buildSchemas(): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries([...describeAll(SENT, "input"), ...describeAll(ANSWERED, "output")]);
}
