import { describe, expect, it } from "vitest";
import { mutated, mutationsOf } from "./mutator.js";

function texts(text: string): string[] {
  return mutationsOf(text).map((mutation) => mutated(text, mutation));
}

describe("the mutator", () => {
  it("swaps comparisons, and negates conditions whole", () => {
    expect(texts("if (a < b) f();")).toEqual(["if (!(a < b)) f();", "if (a <= b) f();"]);
  });

  it("drops a statement that stands alone, and no declaration", () => {
    expect(texts("    this.#x = 5;\n    const y = 1;\n")).toEqual([";\n    const y = 1;\n"]);
  });

  it("leaves fields declared: without them nothing would load", () => {
    expect(texts("    #open = 5;\n")).toEqual([]);
  });

  it("lets comments and strings be", () => {
    expect(texts('f("a < b && true"); // c === d')).toEqual([]);
  });

  it("says what it changed, and in which line", () => {
    const [mutation] = mutationsOf("  x();\n    return Math.max(a, b);\n").filter(({ what }) =>
      what.startsWith("Math"),
    );
    expect(mutation).toMatchObject({ what: "Math.max -> Math.min", line: "return Math.max(a, b);" });
  });
});
