import { parseCollectionSpec } from "@prism/api/collection";
import { expect, test } from "vitest";
import { encodeRecord } from "./document-record.js";
import { toIndexedDocument } from "./indexed-document.js";

const { fields } = parseCollectionSpec(
  {
    name: "books",
    fields: [
      { name: "title", type: "text" },
      { name: "genre", type: "keyword" },
      { name: "year", type: "integer" },
      { name: "read", type: "boolean" },
      { name: "bought", type: "date" },
      { name: "embedding", type: "vector", dimensions: 2 },
    ],
  },
  { replication: { factor: 1, minReplicasForWrite: 1 } },
);

test("values become lists, booleans and dates numbers; nulls are passed over", () => {
  const document = {
    title: "a",
    genre: ["x", null, "y"],
    year: null,
    read: [true, false],
    bought: "1970-01-01T00:00:01Z",
    embedding: [1, 2],
  };
  const indexed = toIndexedDocument("b1", encodeRecord(document, new Set(["embedding"])), fields);
  expect(indexed).toEqual({
    id: "b1",
    text: new Map([["title", ["a"]]]),
    keyword: new Map([["genre", ["x", "y"]]]),
    numeric: new Map([
      ["read", [1, 0]],
      ["bought", [1000]],
    ]),
    vector: new Map([["embedding", Float32Array.of(1, 2)]]),
  });
});

test("what was stored before its field existed is indexed when it fits, and left out when not", () => {
  const record = encodeRecord({ title: 7, genre: ["x", 1], year: 1.5, embedding: [1, 2, 3] }, new Set());
  expect(toIndexedDocument("b1", record, fields)).toEqual({
    id: "b1",
    text: new Map(),
    keyword: new Map(),
    numeric: new Map(),
    vector: new Map(),
  });
  const fitting = encodeRecord({ embedding: [3, 4], year: 2 }, new Set());
  const indexed = toIndexedDocument("b1", fitting, fields);
  expect(indexed.vector).toEqual(new Map([["embedding", Float32Array.of(3, 4)]]));
  expect(indexed.numeric).toEqual(new Map([["year", [2]]]));
});
