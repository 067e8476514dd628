import { parseCollectionSpec } from "@prism/api/collection";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";
import { expect, test } from "vitest";
import { encodeRecord, recordToDocument } from "./document-record.js";
import {
  evaluateWrite,
  type DocumentVersion,
  type WriteCommand,
  type WriteContext,
} from "./evaluate-write.js";

const spec = parseCollectionSpec(
  {
    name: "books",
    shardKey: "genre",
    fields: [
      { name: "year", type: "integer" },
      { name: "genre", type: "keyword" },
      { name: "embedding", type: "vector", dimensions: 2 },
    ],
  },
  { replication: { factor: 1, minReplicasForWrite: 1 } },
);
const context: WriteContext = { spec, vectorFields: new Set(["embedding"]), limits: DEFAULT_LIMITS };
const OLD: DocumentVersion = {
  version: "2.7",
  record: encodeRecord({ year: 1, genre: "novel", embedding: [0.1, 1] }, context.vectorFields),
};

function command(change: Partial<WriteCommand> & { readonly json?: string }): WriteCommand {
  const { json = '{"year":2,"genre":"novel"}', ...rest } = change;
  return {
    operationId: "op",
    action: "put",
    id: "b1",
    document: new TextEncoder().encode(json),
    ifMatch: "",
    ifNoneMatch: false,
    ...rest,
  };
}

function nested(lists: number): string {
  return `{"genre":"novel","deep":${"[".repeat(lists)}${"]".repeat(lists)}}`;
}

/** The result, or the code of the refusal. */
function outcome(change: Parameters<typeof command>[0], current?: DocumentVersion): string {
  try {
    return evaluateWrite(command(change), current, context).result;
  } catch (error) {
    return error instanceof Problem ? error.code : String(error);
  }
}

function documentAfter(change: Parameters<typeof command>[0], current?: DocumentVersion): unknown {
  const { body } = evaluateWrite(command(change), current, context);
  return body.kind === "index" ? recordToDocument(body.record) : body.kind;
}

test.each([
  [{}, undefined, "created"],
  [{}, OLD, "updated"],
  [{ action: "create" }, undefined, "created"],
  [{ action: "create" }, OLD, "documentExists"],
  [{ ifNoneMatch: true }, OLD, "documentExists"],
  [{ ifNoneMatch: true }, undefined, "created"],
  [{ ifMatch: "2.7" }, OLD, "updated"],
  [{ ifMatch: "2.8" }, OLD, "versionConflict"],
  [{ ifMatch: "2.7" }, undefined, "versionConflict"],
  [{ ifMatch: "2.7" }, { ...OLD, version: undefined }, "versionConflict"],
  [{ action: "delete" }, OLD, "deleted"],
  [{ action: "delete" }, undefined, "unchanged"],
  [{ action: "delete", ifMatch: "1.1" }, OLD, "versionConflict"],
  [{ action: "patch", json: '{"year":3}' }, OLD, "updated"],
  [{ action: "patch", json: '{"year":3}' }, undefined, "documentNotFound"],
  [{ action: "patch", json: '{"year":"three"}' }, OLD, "wrongFieldType"],
  [{ action: "patch", json: '{"genre":"poem"}' }, OLD, "invalidRequest"],
  [{ json: '{"genre":"novel"' }, undefined, "invalidJson"],
  [{ document: Uint8Array.of(0x22, 0xff, 0x22) }, undefined, "invalidJson"],
  [{ json: '["genre"]' }, undefined, "invalidRequest"],
  [{ json: '{"year":1}' }, undefined, "shardKeyMissing"],
  [{ json: '{"genre":"novel","embedding":[1]}' }, undefined, "wrongDimensions"],
  [{ json: '{"genre":"novel","id":"b2"}' }, undefined, "invalidRequest"],
  [{ json: '{"genre":"novel","id":"b1"}' }, undefined, "created"],
  [{ id: "" }, undefined, "invalidRequest"],
  [{ id: "x".repeat(513) }, undefined, "limitExceeded"],
  [{ id: "x".repeat(512) }, undefined, "created"],
  [{ operationId: "" }, undefined, "invalidRequest"],
  [{ operationId: "x".repeat(257) }, undefined, "limitExceeded"],
  [{ json: nested(99) }, undefined, "created"],
  [{ json: nested(100) }, undefined, "limitExceeded"],
  [{ json: nested(100_000) }, undefined, "limitExceeded"],
] satisfies [Parameters<typeof command>[0], DocumentVersion | undefined, string][])(
  "write %j on %j: %s",
  (change, current, expected) => {
    expect(outcome(change, current)).toBe(expected);
  },
);

test("a document nested deeper than its limit is refused with the limit's key", () => {
  const shallow = { ...context, limits: { ...context.limits, documentDepth: 3 } };
  expect(evaluateWrite(command({ json: nested(2) }), undefined, shallow).result).toBe("created");
  expect(() => evaluateWrite(command({ json: nested(3) }), undefined, shallow)).toThrow(
    /at most 3 \(limits\.documentDepth\) levels/,
  );
});

test("a patch keeps what it does not name, vectors to the digit", () => {
  expect(documentAfter({ action: "patch", json: '{"year":null,"title":"a"}' }, OLD)).toEqual({
    genre: "novel",
    embedding: [0.1, 1],
    title: "a",
  });
});

test("the id in the body is not kept twice", () => {
  expect(documentAfter({ json: '{"genre":"novel","id":"b1"}' })).toEqual({ genre: "novel" });
});

test("all violations are told at once", () => {
  const act = (): unknown => documentAfter({ json: '{"year":"x","embedding":[1]}' });
  expect(act).toThrow(
    expect.objectContaining({ violations: expect.arrayContaining([expect.anything(), expect.anything()]) }),
  );
});
