import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { xxh32 } from "./xxh32.js";

interface Vectors {
  readonly patterns: readonly (readonly [length: number, seed: number, hash: number])[];
  readonly texts: readonly { readonly text: string; readonly seed: number; readonly hash: number }[];
}

const vectors = JSON.parse(
  readFileSync(new URL("../../contract/xxh32-vectors.json", import.meta.url), "utf8"),
) as Vectors;

describe("xxh32", () => {
  it("gives the reference implementation's values for every length around the stripe and lane sizes", () => {
    expect(vectors.patterns.length).toBeGreaterThan(100);
    for (const [length, seed, hash] of vectors.patterns) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * i * 7 + i * 3 + 11) % 256);
      expect(xxh32(bytes, seed), `length ${length}, seed ${seed}`).toBe(hash);
    }
  });

  it("gives the reference implementation's values for text", () => {
    for (const { text, seed, hash } of vectors.texts) {
      expect(xxh32(new TextEncoder().encode(text), seed), text).toBe(hash);
    }
  });

  it("reads a view from its own offset", () => {
    const buffer = new TextEncoder().encode("xxabc");
    expect(xxh32(buffer.subarray(2))).toBe(xxh32(new TextEncoder().encode("abc")));
  });
});
