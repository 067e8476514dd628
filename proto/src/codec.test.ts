import fc from "fast-check";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import { codecsOf } from "./codec.js";
import { MapNode, PeerFrame, ReplicationMessage, WriteRequest } from "./gen/node.js";

const schema = {
  nested: {
    t: {
      nested: {
        Leaf: { fields: { text: { type: "string", id: 1 }, big: { type: "uint64", id: 15 } } },
        All: {
          fields: {
            text: { type: "string", id: 1 },
            bytes: { type: "bytes", id: 2 },
            yes: { type: "bool", id: 3 },
            small: { type: "uint32", id: 4 },
            big: { type: "uint64", id: 16 },
            leaf: { type: "Leaf", id: 17 },
            texts: { rule: "repeated", type: "string", id: 18 },
            numbers: { rule: "repeated", type: "uint64", id: 19 },
            leaves: { rule: "repeated", type: "Leaf", id: 3000 },
            map: { keyType: "string", type: "string", id: 21 },
          },
        },
      },
    },
  },
};

const all = codecsOf(schema, "t")<Record<string, unknown>>("All");
protobuf.util.Long = null as unknown as typeof protobuf.util.Long;
protobuf.configure();
const reference = protobuf.Root.fromJSON(schema).lookupType("t.All");

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.string({ minLength: 40 }),
);
const number = fc.oneof(fc.nat(300), fc.maxSafeNat());
const leaf = fc.record({ text, big: number });
const message = fc.record(
  {
    text,
    bytes: fc.uint8Array({ maxLength: 300 }),
    yes: fc.boolean(),
    small: fc.nat(0x7fffffff),
    big: number,
    leaf,
    texts: fc.array(text),
    numbers: fc.array(number),
    leaves: fc.array(leaf),
    map: fc.dictionary(fc.string(), text),
  },
  {
    noNullPrototype: true,
    requiredKeys: ["text", "bytes", "yes", "small", "big", "texts", "numbers", "leaves", "map"],
  },
);

test("what is encoded is read back as it was, and by protobufjs too", () => {
  fc.assert(
    fc.property(message, (value) => {
      const bytes = all.encode(value);
      expect(bytes.byteLength).toBe(bytes.buffer.byteLength);
      expect(normal(all.decode(bytes))).toEqual(normal(value));
      expect(normal(byReference(bytes))).toEqual(normal(value));
    }),
  );
});

test("what protobufjs encodes is read as it reads it itself", () => {
  fc.assert(
    fc.property(message, (value) => {
      const bytes = reference.encode(value).finish();
      expect(normal(all.decode(bytes))).toEqual(normal(value));
    }),
  );
});

test("bytes that are cut off are refused where protobufjs refuses them, and read alike where not", () => {
  fc.assert(
    fc.property(message, fc.nat(), (value, cut) => {
      const bytes = all.encode(value);
      const part = bytes.subarray(0, cut % (bytes.length + 1));
      expect(outcome(() => normal(all.decode(part)))).toEqual(outcome(() => normal(byReference(part))));
    }),
  );
});

test("bytes of any kind are read without harm or refused by a RangeError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      expect(failureOf(() => all.decode(bytes)) ?? new RangeError()).toBeInstanceOf(RangeError);
    }),
    { numRuns: 2000 },
  );
});

test("a field of a later version is passed over", () => {
  const later = codecsOf(
    {
      nested: {
        t: {
          nested: {
            All: {
              fields: {
                text: { type: "string", id: 1 },
                more: { type: "bytes", id: 99 },
                n: { type: "uint64", id: 98 },
              },
            },
          },
        },
      },
    },
    "t",
  )<Record<string, unknown>>("All");
  const bytes = later.encode({ text: "kept", more: new Uint8Array(200), n: 2 ** 40 });
  expect(all.decode(bytes)["text"]).toBe("kept");
});

test("a number that is negative, broken or too large is refused, and the next message is whole", () => {
  for (const big of [-1, Number.NaN, 2 ** 60])
    expect(() => all.encode({ text: "x", big })).toThrow(RangeError);
  expect(all.decode(all.encode({ text: "y", big: 7 }))).toMatchObject({ text: "y", big: 7 });
});

test("a message of many megabytes is written and read", () => {
  const payload = new Uint8Array(6 * 1024 * 1024).fill(7);
  const frame = { id: 1, kind: 2, call: 3, shard: "s", timeoutMs: 4, payload };
  const read = PeerFrame.decode(PeerFrame.encode(frame));
  expect(read.id).toBe(1);
  expect(Buffer.compare(read.payload, payload)).toBe(0);
});

test("absent messages stay absent, absent scalars and lists have their defaults", () => {
  expect(Object.keys(PeerFrame.decode(new Uint8Array(0)))).not.toContain("error");
  expect(WriteRequest.decode(new Uint8Array(0))).toEqual({ items: [] });
  expect(ReplicationMessage.decode(new Uint8Array(0)).replicate).toBeUndefined();
  expect(MapNode.decode(new Uint8Array(0)).attributes).toEqual({});
});

function byReference(bytes: Uint8Array): Record<string, unknown> {
  const plain = { longs: Number, defaults: true, arrays: true, objects: true };
  return reference.toObject(reference.decode(bytes), plain);
}

/** Bytes as a list, so that the classes of byte arrays do not matter; absent messages left out. */
function normal(value: Record<string, unknown>): unknown {
  const { leaf: one, bytes, ...rest } = value;
  return {
    ...rest,
    bytes: [...(bytes as Uint8Array)],
    ...(one === undefined || one === null ? {} : { leaf: one }),
  };
}

function failureOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

function outcome(run: () => unknown): unknown {
  try {
    return run();
  } catch {
    return "refused";
  }
}
