import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NdjsonSplitter } from "./ndjson.js";

interface Split {
  readonly number: number;
  /** undefined: too long. */
  readonly text: string | undefined;
}

function split(bytes: Uint8Array, cuts: readonly number[], maxLineBytes = 1000): Split[] {
  const splitter = new NdjsonSplitter(maxLineBytes);
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const out: Split[] = [];
  let from = 0;
  for (const end of ends) {
    for (const line of splitter.push(bytes.subarray(from, end))) out.push(show(line));
    from = end;
  }
  const last = splitter.finish();
  if (last !== undefined) out.push(show(last));
  return out;
}

function show(line: { kind: string; number: number; bytes?: Uint8Array }): Split {
  const text = line.bytes === undefined ? undefined : new TextDecoder().decode(line.bytes);
  return { number: line.number, text };
}

function dumbSplit(text: string, maxLineBytes: number): Split[] {
  return text.split("\n").flatMap((line, i): Split[] => {
    if (new TextEncoder().encode(line).length > maxLineBytes) return [{ number: i + 1, text: undefined }];
    const trimmed = line.endsWith("\r") ? line.slice(0, -1) : line;
    return trimmed === "" ? [] : [{ number: i + 1, text: trimmed }];
  });
}

describe("splitting NDJSON", () => {
  it("finds the same lines however the stream is cut", () => {
    const texts = fc.string({ unit: fc.constantFrom("a", "é", "\n", "\r\n", "{", "🦀"), maxLength: 60 });
    fc.assert(
      fc.property(
        texts,
        fc.array(fc.nat(), { maxLength: 8 }),
        fc.integer({ min: 1, max: 12 }),
        (text, cuts, max) => {
          expect(split(new TextEncoder().encode(text), cuts, max)).toEqual(dumbSplit(text, max));
        },
      ),
    );
  });

  it("goes on after a line that is too long without keeping it", () => {
    const text = `a\n${"x".repeat(50)}\nb`;
    expect(split(new TextEncoder().encode(text), [10, 20, 30], 10)).toEqual([
      { number: 1, text: "a" },
      { number: 2, text: undefined },
      { number: 3, text: "b" },
    ]);
  });
});
