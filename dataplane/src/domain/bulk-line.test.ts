import fc from "fast-check";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";
import { expect, test } from "vitest";
import { readBulkLine } from "./bulk-line.js";

function read(text: string | Buffer) {
  const { line, document } = readBulkLine(Buffer.from(text as string), DEFAULT_LIMITS);
  return { ...line, document: document === undefined ? undefined : Buffer.from(document).toString() };
}

test("a line of an id and a document is read alike, however it is written", () => {
  const space = fc.constantFrom("", "", " ", "\t ");
  const document = fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue(), { noNullPrototype: true });
  const id = fc.oneof(
    fc.string({ minLength: 1, maxLength: 20 }),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
  );
  fc.assert(
    fc.property(id, document, space, space, space, fc.boolean(), (name, fields, a, b, c, isIdLast) => {
      const [first, last] = [`"id":${a}${JSON.stringify(name)}`, `"document":${b}${JSON.stringify(fields)}`];
      const text = isIdLast ? `{${last},${first}${c}}` : `{${first},${a}${last}${c}}`;
      expect(read(text)).toMatchObject({ action: "put", id: name, document: JSON.stringify(fields) });
    }),
  );
});

test("a line with one byte changed is refused, or read as JSON.parse reads it", () => {
  const fields = { title: 'a "quoted" {word}', list: [1, { x: "]" }], empty: {} };
  const whole = Buffer.from(`{"id":"b1","document":${JSON.stringify(fields)}}`);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 126 }), (at, byte) => {
      const text = Buffer.from(whole);
      text[at] = byte;
      const wanted = parsed(text.toString());
      let seen: ReturnType<typeof read>;
      try {
        seen = read(text);
      } catch (error) {
        return error instanceof Problem;
      }
      const shown = seen.document === undefined ? undefined : parsed(seen.document);
      // What is wrong inside of the document is for the shard to find.
      if (wanted === undefined) return shown === undefined;
      return wanted["id"] === seen.id && JSON.stringify(wanted["document"]) === JSON.stringify(shown);
    }),
    { numRuns: 2000 },
  );
});

test("of members that are there twice the last counts, and nothing may follow", () => {
  expect(read('{"id":"a","document":{"x":1},"id":"b"}')).toMatchObject({ id: "b", document: '{"x":1}' });
  expect(read('{"id":"a","document":{"x":1},"document":{"y":2}}')).toMatchObject({ document: '{"y":2}' });
  expect(() => read('{"id":"a","document":{"x":1}}}')).toThrow(Problem);
  expect(() => read('{"id":"a","document":{"x":1}')).toThrow(Problem);
  expect(() => read('{"id":"a","document":{"x":1}]')).toThrow(Problem);
});

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
