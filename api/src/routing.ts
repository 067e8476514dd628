/** The answer of GET /collections/{c}/routing: what a client needs to go straight to the right node. */
import * as z from "zod";
import { oneOf, strictObject } from "./schema.js";
import type { Immutable } from "./schema.js";

const place = { node: z.string(), zone: z.string(), httpUrl: z.string() };

export const routingResponseSchema = strictObject({
  collection: z.string(),
  collectionUid: z.string(),
  revision: z.int().min(0).describe("Of the cluster map the answer was made from; higher is newer."),
  shardKey: z.string().nullable().describe("The field whose value is hashed; null: the id."),
  ring: strictObject({
    algorithm: z
      .string()
      .describe("Name of the whole arithmetic. A client that knows another one asks any node."),
    virtualNodes: z.int().min(1).describe("Points of each shard on the ring."),
  }),
  shards: z.array(
    strictObject({
      number: z.int().min(0),
      term: z.int().min(0),
      primary: strictObject(place).nullable().describe("null: no primary takes writes now."),
      copies: z.array(strictObject({ ...place, state: oneOf(["inSync", "recovering", "away"]) })),
    }),
  ),
});

export type RoutingResponse = Immutable<z.output<typeof routingResponseSchema>>;
