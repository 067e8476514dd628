import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "./limits.js";
import { parseSearchRequest, searchRequestSchema } from "./search.js";

const name = fc.constantFrom("body", "title", "x".repeat(128), "constructor");
const weight = fc.constantFrom(1, 0.5, 1_000_000);
const text = fc.record(
  {
    query: fc.string(),
    fields: fc.oneof(fc.array(name, { maxLength: 3 }), fc.dictionary(name, weight)),
    operator: fc.constantFrom("or", "and"),
  },
  { requiredKeys: ["query", "fields"] },
);
const vector = fc.record(
  {
    field: name,
    values: fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 4 }),
    candidates: fc.integer({ min: 1, max: 500 }),
  },
  { requiredKeys: ["field", "values"] },
);
const query = fc.oneof(
  fc.record({ text, weight }, { requiredKeys: ["text"] }),
  fc.record({ vector, weight }, { requiredKeys: ["vector"] }),
);
const valid = fc.record(
  {
    queries: fc.array(query, { maxLength: 2 }),
    filter: fc.constantFrom({ field: "year", gte: 1 }, { not: { field: "year", exists: true } }),
    consistency: fc.constantFrom({ level: "strong" }, {}),
    fusion: fc.constantFrom({ method: "weighted" }, { window: 7 }),
    aggregations: fc.constantFrom({ a: { stats: { field: "year" } } }, {}),
    allowPartialResults: fc.boolean(),
    timeoutMs: fc.integer({ min: 1, max: 1000 }),
    limit: fc.nat(50),
    offset: fc.nat(50),
    include: fc.array(name, { maxLength: 3 }),
    explain: fc.boolean(),
  },
  { requiredKeys: [] },
);

interface Change {
  readonly nth: number;
  readonly kind: "replace" | "add";
  readonly value: unknown;
}

// prettier-ignore
const values: readonly unknown[] = [
  null, true, "", "text", "or", "x".repeat(129), "__proto__", [], {}, ["a"], { a: 1 }, [null], [[1]],
  0, -0, -1, 1, 0.5, 1e7, 2 ** 53, Number.NaN, Infinity, -Infinity, undefined,
];
const change: fc.Arbitrary<Change> = fc.record({
  nth: fc.nat(1000),
  kind: fc.constantFrom("replace", "add"),
  value: fc.constantFrom(...values),
});

/** One value anywhere in the request replaced, or one member or element added. */
function changed(request: object, { nth, kind, value }: Change): unknown {
  const copy = structuredClone(request) as Record<string, unknown>;
  const places: (() => void)[] = [];
  const visit = (holder: Record<string, unknown>): void => {
    if (kind === "add") {
      if (Array.isArray(holder)) places.push(() => (holder as unknown[]).push(value));
      else
        for (const key of ["extra", "vector", "weight", "__proto__"])
          places.push(() => define(holder, key, value));
    }
    for (const [key, member] of Object.entries(holder)) {
      if (kind === "replace") places.push(() => define(holder, key, value));
      if (typeof member === "object" && member !== null) visit(member as Record<string, unknown>);
    }
  };
  visit(copy);
  places[nth % Math.max(1, places.length)]?.();
  return copy;
}

/** As JSON.parse does it: `__proto__` is a member like any other. */
function define(holder: object, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, writable: true, configurable: true });
}

function outcomeOf(parse: () => unknown): unknown {
  try {
    return parse();
  } catch {
    return "refused";
  }
}

describe("a search request taken by plain checks", () => {
  it("is what the schema makes of it, and refused when the schema refuses it", () => {
    const counts = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(valid, fc.option(change), (request, one) => {
        const input = one === null ? request : changed(request, one);
        const expected = outcomeOf(() => searchRequestSchema.parse(input));
        expect(outcomeOf(() => parseSearchRequest(input, DEFAULT_LIMITS))).toEqual(expected);
        counts[expected === "refused" ? "refused" : "taken"] += 1;
      }),
      { numRuns: 3000 },
    );
    expect(counts.taken).toBeGreaterThan(500);
    expect(counts.refused).toBeGreaterThan(500);
  });

  it("keeps a vector's numbers as they are", () => {
    const numbers = [0.1, -2, 1e-300];
    const vectorQuery = { vector: { field: "v", values: numbers } };
    const { queries } = parseSearchRequest({ queries: [vectorQuery] }, DEFAULT_LIMITS);
    expect(queries).toEqual([{ vector: { field: "v", values: numbers, candidates: 100 }, weight: 1 }]);
  });
});
