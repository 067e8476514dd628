import { describe, expect, it } from "vitest";
import {
  DEFAULT_LIMITS,
  describeLimit,
  LIMIT_NAMES,
  limitEnvironmentVariable,
  limitKey,
  LIMITS,
  parseLimits,
} from "./limits.js";
import { Problem } from "./problem-code.js";

describe("limits", () => {
  it("are all at their defaults when nothing is set", () => {
    expect(parseLimits(undefined)).toEqual(DEFAULT_LIMITS);
    for (const name of LIMIT_NAMES) expect(DEFAULT_LIMITS[name]).toBe(LIMITS[name].default);
  });

  it.each(LIMIT_NAMES)("%s takes its bounds and refuses what lies outside", (name) => {
    const { min, max } = LIMITS[name];
    expect(parseLimits({ [name]: min })[name]).toBe(min);
    expect(parseLimits({ [name]: max })[name]).toBe(max);
    expect(() => parseLimits({ [name]: min - 1 })).toThrow(Problem);
    expect(() => parseLimits({ [name]: max + 1 })).toThrow(Problem);
    expect(() => parseLimits({ [name]: String(min) })).toThrow(Problem);
  });

  it("refuse an unknown name with the one that was meant", () => {
    expect(() => parseLimits({ bodyByte: 1 })).toThrow('did you mean "bodyBytes"?');
  });

  it("come from the environment before the file", () => {
    const environment = { PRISM_LIMITS_QUERIES: "3", PRISM_DATA: "/data", PRISM_LIMITS_FIELDS: undefined };
    const limits = parseLimits({ queries: 5, fields: 7 }, environment);
    expect([limits.queries, limits.fields]).toEqual([3, 7]);
  });

  it.each([
    [{ PRISM_LIMITS_QUERIES: "many" }, "must be an integer from 1 to 64"],
    [{ PRISM_LIMITS_QUERIES: "" }, "must be an integer from 1 to 64"],
    [{ PRISM_LIMITS_QUERIES: "65" }, "must be an integer from 1 to 64"],
    [{ PRISM_LIMITS_QUERYS: "3" }, 'did you mean "PRISM_LIMITS_QUERIES"?'],
  ])("refuse the environment %j", (environment, message) => {
    expect(() => parseLimits({}, environment)).toThrow(message);
  });

  it("have a key, a variable and a sentence each", () => {
    expect(limitKey("bulkLineBytes")).toBe("limits.bulkLineBytes");
    expect(limitEnvironmentVariable("bulkLineBytes")).toBe("PRISM_LIMITS_BULK_LINE_BYTES");
    expect(describeLimit("queries", DEFAULT_LIMITS)).toBe("at most 8 (limits.queries)");
    const variables = LIMIT_NAMES.map(limitEnvironmentVariable);
    expect(new Set(variables).size).toBe(LIMIT_NAMES.length);
    for (const name of LIMIT_NAMES) expect(LIMITS[name].description).toMatch(/\.$/);
  });
});
