import { describe, expect, it } from "vitest";
import { checkDocumentId, checkOperationId, parseBulkLine } from "./document.js";
import { DEFAULT_LIMITS } from "./limits.js";
import { Problem } from "./problem-code.js";

function violationsOf(line: unknown): string[] {
  try {
    parseBulkLine(line, DEFAULT_LIMITS);
  } catch (error) {
    if (error instanceof Problem) return error.violations.map(({ pointer, code }) => `${pointer} ${code}`);
    throw error;
  }
  return [];
}

describe("a document id", () => {
  it.each(["a", "1901-17", "ü/ñ ?#", "😀", "a".repeat(512), "ä".repeat(256)])("may be %j", (id) => {
    expect(checkDocumentId(id, DEFAULT_LIMITS, "/id")).toBeUndefined();
  });

  it.each([
    ["", "invalidRequest"],
    [7, "invalidRequest"],
    [null, "invalidRequest"],
    ["a\u0000b", "invalidRequest"],
    ["a\nb", "invalidRequest"],
    ["\ud800", "invalidRequest"],
    ["a".repeat(513), "limitExceeded"],
    ["ä".repeat(257), "limitExceeded"],
  ])("may not be %j", (id, code) => {
    expect(checkDocumentId(id, DEFAULT_LIMITS, "/id")?.code).toBe(code);
  });
});

describe("an operation id", () => {
  it("has 1 to 256 bytes", () => {
    expect(checkOperationId("a".repeat(256), DEFAULT_LIMITS, "")).toBeUndefined();
    expect(checkOperationId("a".repeat(257), DEFAULT_LIMITS, "")?.code).toBe("limitExceeded");
    expect(checkOperationId("", DEFAULT_LIMITS, "")?.code).toBe("invalidRequest");
  });
});

describe("a bulk line", () => {
  it("is a put when it does not say", () => {
    expect(parseBulkLine({ id: "a", document: {} }, DEFAULT_LIMITS).action).toBe("put");
  });

  it("may leave the id to the server, but not in patch and delete", () => {
    expect(violationsOf({ document: {} })).toEqual([]);
    expect(violationsOf({ action: "create", document: {} })).toEqual([]);
    expect(violationsOf({ action: "patch", document: {} })).toEqual(["/id invalidRequest"]);
    expect(violationsOf({ action: "delete" })).toEqual(["/id invalidRequest"]);
  });

  it.each([
    [{ id: "a" }, "/document invalidRequest"],
    [{ action: "delete", id: "a", document: {} }, "/document invalidRequest"],
    [{ action: "remove", id: "a" }, "/action invalidRequest"],
    [{ id: 7, document: {} }, "/id invalidRequest"],
    [{ id: "a".repeat(513), document: {} }, "/id limitExceeded"],
    [{ id: "a", document: [] }, "/document invalidRequest"],
    [{ id: "a", document: {}, ifMatch: "7" }, "/ifMatch invalidRequest"],
    [{ id: "a", document: {}, action: "create", ifMatch: "1.7" }, "/ifMatch invalidRequest"],
    [{ id: "a", document: {}, opId: "a".repeat(257) }, "/opId limitExceeded"],
    [{ id: "a", document: {}, opid: "a" }, "/opid invalidRequest"],
    [null, " invalidRequest"],
  ])("is refused: %j at %s", (line, expected) => {
    expect(violationsOf(line)).toEqual([expected]);
  });
});
