import { LIMIT_NAMES } from "@prism/api/limits";
import { PROBLEMS } from "@prism/api/problem-code";
import { REASONS } from "@prism/api/reason";
import { describe, expect, it } from "vitest";
import { generateLimitsPage, generateProblemsPage, generateReasonsPage } from "./generate-tables.js";

describe("generated pages", () => {
  it("have one row for each limit, problem and reason", () => {
    const rows = (page: string): string[] => page.split("\n").filter((line) => line.startsWith("| `"));
    expect(rows(generateLimitsPage())).toHaveLength(LIMIT_NAMES.length);
    expect(rows(generateProblemsPage())).toHaveLength(Object.keys(PROBLEMS).length);
    expect(rows(generateReasonsPage())).toHaveLength(Object.keys(REASONS).length);
  });

  it("say a limit's values in the unit that people set them in", () => {
    const row = generateLimitsPage()
      .split("\n")
      .find((line) => line.startsWith("| `bodyBytes` |"));
    expect(row).toContain(
      "| 32 MiB | 64 KiB to 256 MiB | `limits.bodyBytes` | `PRISM_LIMITS_BODY_BYTES` | `bodyTooLarge` |",
    );
  });
});
