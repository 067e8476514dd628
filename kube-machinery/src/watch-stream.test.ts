import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ApiError } from "./api-error.js";
import { watchEvents } from "./watch-stream.js";

async function* inChunks(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let start = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    yield bytes.subarray(start, cut);
    start = cut;
  }
  yield bytes.subarray(start);
}

async function read(text: string, cuts: readonly number[] = []): Promise<unknown[]> {
  const events: unknown[] = [];
  for await (const event of watchEvents(inChunks(Buffer.from(text), cuts))) events.push(event);
  return events;
}

const object = { metadata: { name: "naïve — ünïcode", resourceVersion: "7" } };
const EVENTS = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"].map((type) => JSON.stringify({ type, object }));

describe("the stream of a watch", () => {
  test("reads the same wherever the chunks end, in the middle of a character too", async () => {
    const text = EVENTS.map((line) => `${line}\n`).join("\n");
    const expected = [
      { type: "ADDED", object },
      { type: "MODIFIED", object },
      { type: "DELETED", object },
      { type: "BOOKMARK", resourceVersion: "7" },
    ];
    const cuts = fc.array(fc.nat(Buffer.byteLength(text)));
    await fc.assert(
      fc.asyncProperty(cuts, async (at) => {
        expect(await read(text, at)).toEqual(expected);
      }),
    );
  });

  test("drops a last line that was cut off", async () => {
    expect(await read(`${EVENTS[0]}\n${EVENTS[1]}`)).toHaveLength(1);
  });

  test("an ERROR event is the error that its status says", async () => {
    const status = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
    const error = (await read(`${JSON.stringify({ type: "ERROR", object: status })}\n`).catch(
      (failure: unknown) => failure,
    )) as ApiError;
    expect(error).toMatchObject({ isExpired: true, message: "too old" });
  });

  test.each(["<html>", '{"type":"NEWS","object":{}}', '{"type":"ADDED"}', "null"])(
    "%s is no event, and not passed over",
    async (line) => {
      await expect(read(`${line}\n`)).rejects.toThrow("no event");
    },
  );
});
