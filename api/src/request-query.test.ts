import { describe, expect, it } from "vitest";
import { Problem } from "./problem-code.js";
import { parseDocumentQuery, parseRequestQuery, parseScanQuery, parseWriteQuery } from "./request-query.js";

describe("a query string", () => {
  it("has defaults where it says nothing", () => {
    expect(parseScanQuery({})).toEqual({ limit: 100 });
    expect(parseDocumentQuery({})).toEqual({});
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
