import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SABOTEURS } from "./catalogue.js";
import { builtPath, sabotage, SaboteurMismatchError, SHORT_LOG, sourcePath, type Edit } from "./saboteur.js";

const EDIT: Edit = { file: "x/src/y.ts", find: "if (a) return b;", replace: "return b;" };

describe("a saboteur", () => {
  it("finds its text however the compiler laid it out", () => {
    expect(sabotage("S0", EDIT, "f();\n  if (a)\n    return b;\ng();")).toBe("f();\n  return b;\ng();");
  });

  it("fails when its text is gone, and says which saboteur it is", () => {
    expect(() => sabotage("S0", EDIT, "if (c) return b;")).toThrow(SaboteurMismatchError);
    expect(() => sabotage("S0", EDIT, "if (c) return b;")).toThrow(
      /S0 no longer applies: .* is gone in x\/src\/y\.ts/,
    );
  });

  it("fails when its text is there twice", () => {
    expect(() => sabotage("S0", EDIT, "if (a) return b; if (a) return b;")).toThrow(/occurs 2 times/);
  });
});

describe("the saboteurs", () => {
  it("have ids of their own", () => {
    expect(new Set(SABOTEURS.map(({ id }) => id)).size).toBe(SABOTEURS.length);
  });

  const all: readonly (readonly [string, readonly Edit[]])[] = [
    ["short logs", SHORT_LOG],
    ...SABOTEURS.map(({ id, edits }) => [id, edits] as const),
  ];

  it.each(all)("still apply: %s", (id, edits) => {
    for (const path of [sourcePath, builtPath]) {
      const texts = new Map<string, string>();
      for (const edit of edits) {
        const file = path(edit);
        expect(existsSync(file), `${file} exists: build first`).toBe(true);
        texts.set(file, sabotage(id, edit, texts.get(file) ?? readFileSync(file, "utf8")));
      }
    }
  });
});
