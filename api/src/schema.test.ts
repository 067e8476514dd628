import { describe, expect, it } from "vitest";
import * as z from "zod";
import { Problem } from "./problem-code.js";
import { oneOf, parseWith, strictObject, toPointer } from "./schema.js";

const schema = strictObject({
  name: z.string().max(3),
  mode: oneOf(["Single", "Cluster"]),
  count: z.int().min(1).default(1),
  parts: z.array(strictObject({ value: z.number() })).default([]),
});

function problemOf(input: unknown): Problem {
  try {
    parseWith(schema, input, "thing");
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("was accepted");
}

describe("parseWith", () => {
  it("fills defaults", () => {
    expect(parseWith(schema, { name: "a", mode: "Single" }, "thing")).toEqual({
      name: "a",
      mode: "Single",
      count: 1,
      parts: [],
    });
  });

  it("tells all violations at once, each with its path", () => {
    const input = { name: "long", mode: "Custer", count: 0, parts: [{ value: 1 }, { valeu: 2, value: "x" }] };
    expect(problemOf(input).violations).toEqual([
      { pointer: "/name", code: "invalidRequest", detail: "must be at most 3 characters long" },
      {
        pointer: "/mode",
        code: "invalidRequest",
        detail: 'must be one of Single, Cluster, not "Custer" (did you mean "Cluster"?)',
      },
      { pointer: "/count", code: "invalidRequest", detail: "must be at least 1" },
      { pointer: "/parts/1/value", code: "invalidRequest", detail: 'must be a number, not "x"' },
      {
        pointer: "/parts/1/valeu",
        code: "invalidRequest",
        detail: 'unknown key "valeu" (did you mean "value"?)',
      },
    ]);
  });

  it("names the known keys when none is near the unknown one", () => {
    const [violation] = problemOf({ name: "a", mode: "Single", colour: 1, "a\nb/~": 2 }).violations;
    expect(violation?.detail).toBe('unknown key "colour"; known are name, mode, count, parts');
  });

  it("gives each unknown key its own violation, whatever characters it has", () => {
    const pointers = problemOf({ name: "a", mode: "Single", colour: 1, "a\nb/~": 2 }).violations.map(
      (v) => v.pointer,
    );
    expect(pointers).toEqual(["/colour", "/a\nb~1~0"]);
  });

  it("says what is missing", () => {
    expect(problemOf({}).violations.map((v) => v.detail)).toEqual([
      "is missing; must be a string",
      "must be one of Single, Cluster, and is missing",
    ]);
  });

  it("gives a number that is not finite its own code", () => {
    const problem = problemOf({ name: "a", mode: "Single", parts: [{ value: Number("1e999") }] });
    expect(problem.code).toBe("notFinite");
    expect(problem.violations[0]?.pointer).toBe("/parts/0/value");
  });

  it("answers a body of many wrong values with a page", () => {
    const parts = Array.from({ length: 100_000 }, () => 1);
    expect(problemOf({ name: "a", mode: "Single", parts }).violations).toHaveLength(100);
  });

  it("answers a body of many unknown keys with a page", () => {
    const keys = Array.from({ length: 200_000 }, (_, i) => [`nane${i}`, i]);
    const input = { ...(Object.fromEntries(keys) as object), name: "a", mode: "Single" };
    expect(problemOf(input).violations).toHaveLength(100);
  });

  it.each([[null], [[]], ["text"], [3], [undefined]])("refuses %j for an object", (input) => {
    expect(problemOf(input).code).toBe("invalidRequest");
  });
});

describe("toPointer", () => {
  it("escapes as RFC 6901 says", () => {
    expect(toPointer(["a/b", 0, "m~n"])).toBe("/a~1b/0/m~0n");
    expect(toPointer([])).toBe("");
  });
});
