import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Problem } from "./problem-code.js";
import { decodeSession, EMPTY_SESSION, encodeSession, LONGEST_SESSION, mergeSessions } from "./session.js";
import type { Session, SessionPosition } from "./session.js";

function sessionOf(positions: Record<string, Record<number, SessionPosition>>): Session {
  return new Map(
    Object.entries(positions).map(([uid, shards]) => [
      uid,
      new Map(Object.entries(shards).map(([shard, position]) => [Number(shard), position])),
    ]),
  );
}

const uid = fc.constantFrom("c1", "c2", "c3");
const position = fc.record({ historyId: fc.constantFrom("h1", "h2"), seq: fc.nat() });
const anySession = fc.dictionary(uid, fc.dictionary(fc.nat({ max: 5 }).map(String), position)).map(sessionOf);
const oneHistory = fc
  .dictionary(
    uid,
    fc.dictionary(fc.nat({ max: 5 }).map(String), fc.record({ historyId: fc.constant("h"), seq: fc.nat() })),
  )
  .map(sessionOf);

describe("a session token", () => {
  it("comes back as it was", () => {
    fc.assert(
      fc.property(anySession, (session) => {
        expect(decodeSession(encodeSession(session))).toEqual(session);
      }),
    );
  });

  it.each([
    "",
    "garbage",
    "!!!",
    Buffer.from("[]").toString("base64url"),
    Buffer.from('{"v":2,"c":{}}').toString("base64url"),
    Buffer.from('{"v":1,"c":{"u":{"0":["h",-1]}}}').toString("base64url"),
    Buffer.from('{"v":1,"c":{"u":{"x":["h",1]}}}').toString("base64url"),
    Buffer.from('{"v":1,"c":{"u":{"0":["h",1e300]}}}').toString("base64url"),
    `${encodeSession(EMPTY_SESSION)}=`,
    "A".repeat(LONGEST_SESSION + 1),
  ])("is refused when it is %j", (text) => {
    expect(() => decodeSession(text)).toThrow(Problem);
    expect(() => decodeSession(text)).toThrow("invalidRequest");
  });

  it("is bounded", () => {
    const shards = Object.fromEntries(
      Array.from({ length: 256 }, (_, shard) => [shard, { historyId: "h".repeat(36), seq: 2 ** 52 }]),
    );
    expect(encodeSession(sessionOf({ a: shards })).length).toBeLessThan(LONGEST_SESSION);
    const many = sessionOf({ a: shards, b: shards, c: shards, d: shards });
    expect(() => encodeSession(many)).toThrow("limitExceeded");
  });
});

describe("mergeSessions", () => {
  it("keeps the higher of two positions of one history", () => {
    const low = sessionOf({ c: { 0: { historyId: "h", seq: 3 }, 1: { historyId: "h", seq: 9 } } });
    const high = sessionOf({ c: { 0: { historyId: "h", seq: 5 } } });
    expect(mergeSessions(low, high).get("c")?.get(0)?.seq).toBe(5);
    expect(mergeSessions(high, low).get("c")?.get(0)?.seq).toBe(5);
    expect(mergeSessions(high, low).get("c")?.get(1)?.seq).toBe(9);
  });

  it("keeps what the client had seen when the history changed", () => {
    const old = sessionOf({ c: { 0: { historyId: "h1", seq: 3 } } });
    const fresh = sessionOf({ c: { 0: { historyId: "h2", seq: 50 } } });
    expect(mergeSessions(old, fresh).get("c")?.get(0)).toEqual({ historyId: "h1", seq: 3 });
  });

  it("of one history is commutative, associative and idempotent", () => {
    fc.assert(
      fc.property(oneHistory, oneHistory, oneHistory, (a, b, c) => {
        expect(mergeSessions(a, b)).toEqual(mergeSessions(b, a));
        expect(mergeSessions(mergeSessions(a, b), c)).toEqual(mergeSessions(a, mergeSessions(b, c)));
        expect(mergeSessions(a, a)).toEqual(a);
      }),
    );
  });

  it("changes neither of what it merges", () => {
    fc.assert(
      fc.property(anySession, anySession, (a, b) => {
        const before = [encodeSession(a), encodeSession(b)];
        mergeSessions(a, b);
        expect([encodeSession(a), encodeSession(b)]).toEqual(before);
      }),
    );
  });
});
