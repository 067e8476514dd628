import { describe, expect, it } from "vitest";
import { Problem } from "./problem-code.js";
import { parseDocumentQuery, parseRequestQuery, parseScanQuery, parseWriteQuery } from "./request-query.js";

describe("a query string", () => {
  it("has defaults where it says nothing", () => {
    const consistency = { level: "eventual", allowDowngrade: false };
    expect(parseScanQuery({})).toEqual({ limit: 100, consistency });
    expect(parseDocumentQuery({})).toEqual({ consistency });
    expect(parseWriteQuery({})).toEqual({ waitFor: "committed" });
  });

  it("names a level of consistency and what that needs; a session alone asks to read what was written", () => {
    const levelOf = (query: object): unknown => parseDocumentQuery(query).consistency;
    expect(levelOf({ session: "s" })).toMatchObject({ level: "readYourWrites", session: "s" });
    expect(levelOf({ session: "s", consistency: "strong" })).toMatchObject({ level: "strong", session: "s" });
    expect(levelOf({ consistency: "bounded", maxStalenessMs: "500", allowDowngrade: "true" })).toEqual({
      level: "bounded",
      maxStalenessMs: 500,
      allowDowngrade: true,
    });
  });

  it.each([
    [{ consistency: "bounded" }, "bounded needs it"],
    [{ consistency: "readYourWrites" }, "needs the session"],
    [{ consistency: "strong", maxStalenessMs: "5" }, "is for bounded"],
    [{ consistency: "bounded", maxStalenessMs: "0" }, "maxStalenessMs"],
    [{ consistency: "strongest" }, "consistency"],
    [{ allowDowngrade: "yes" }, "allowDowngrade"],
  ])("refuses %j", (query, detail) => {
    expect(() => parseDocumentQuery(query)).toThrow(detail);
    expect(() => parseScanQuery(query)).toThrow(detail);
  });

  it("tells no fields from all fields", () => {
    expect(parseDocumentQuery({ include: "" }).include).toEqual([]);
    expect(parseDocumentQuery({ include: "title,year" }).include).toEqual(["title", "year"]);
  });

  it.each(["", " 1", "0", "1001", "1.5", "1e3", "-1", "ten"])("refuses the page size %j", (limit) => {
    expect(() => parseScanQuery({ limit })).toThrow("must be an integer from 1 to 1000");
  });

  it("refuses what it does not know, and a key that comes twice", () => {
    expect(() => parseWriteQuery({ shardkey: "a" })).toThrow('did you mean "shardKey"?');
    expect(() => parseRequestQuery({ timeoutMs: ["1", "2"] })).toThrow(Problem);
  });
});
