import type { ServerResponse } from "node:http";
import type { ProblemCode } from "@prism/api/problem-code";
import { decodeSession } from "@prism/api/session";
import { afterEach, describe, expect, it } from "vitest";
import type { BulkFailure, BulkOperation, BulkProgress } from "./bulk-options.js";
import type { CollectionClient } from "./collection-client.js";
import { PrismClient, type PrismClientOptions } from "./prism-client.js";
import {
  bulkAnswer,
  cut,
  FakeNode,
  sendNdjson,
  sendProblem,
  sessionToken,
  type Handler,
  type SeenRequest,
} from "./testing/fake-node.js";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function nodeThat(handle: Handler): Promise<FakeNode> {
  const node = await FakeNode.start(handle);
  opened.push(node);
  return node;
}

function notesOf(node: FakeNode, options: Partial<PrismClientOptions> = {}): CollectionClient {
  const usual = { routing: false, retryBaseDelayMs: 1, hedgeDelayMs: 0 };
  const client = new PrismClient({ endpoints: node.url, ...usual, ...options });
  opened.push(client);
  return client.collection("notes");
}

const answering: Handler = (request, response) => sendNdjson(response, bulkAnswer(request.body));

interface SentLine {
  readonly id: string;
  readonly opId: string;
}

function linesOf(request: SeenRequest | undefined): SentLine[] {
  return (request?.body ?? "")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as SentLine);
}

function documents(count: number): BulkOperation[] {
  return Array.from({ length: count }, (_, i) => ({ id: `${i}`, document: { n: i } }));
}

describe("a bulk", () => {
  it("sends lines in batches, each line with an operation id of its own", async () => {
    const node = await nodeThat(answering);
    const report = await notesOf(node).bulk(documents(25), { batchLines: 10, concurrency: 1 });
    expect(report).toMatchObject({ succeeded: 25, failed: 0 });
    expect(node.requests.map((request) => linesOf(request).length)).toEqual([10, 10, 5]);
    expect(new Set(node.requests.flatMap(linesOf).map((line) => line.opId)).size).toBe(25);
    expect(node.requests[0]?.headers["content-type"]).toBe("application/x-ndjson");
  });

  it("counts bytes in UTF-8 and never joins lines beyond the batch's bytes", async () => {
    const node = await nodeThat(answering);
    const text = "ü".repeat(400);
    const source = Array.from({ length: 6 }, (_, i) => ({ id: `${i}`, document: { text } }));
    const report = await notesOf(node).bulk(source, { batchBytes: 2000 });
    expect(node.requests.map((request) => linesOf(request).length)).toEqual([2, 2, 2]);
    const sent = node.requests.reduce((sum, request) => sum + Buffer.byteLength(request.body), 0);
    expect(report.bytes).toBe(sent);
  });

  it("sends an operation only when every earlier one on its document is settled", async () => {
    const refusedOnce = new Set<string>();
    const applied = new Map<string, string[]>();
    const node = await nodeThat((request, response) => {
      const answer = bulkAnswer(request.body, (line) => {
        const [id, opId] = [String(line["id"]), String(line["opId"])];
        // Every third operation fails for a while, so that it is sent again after the batch it was in.
        if (Number(opId.slice(2)) % 3 === 0 && !refusedOnce.has(opId)) {
          refusedOnce.add(opId);
          return "tooManyRequests";
        }
        applied.set(id, [...(applied.get(id) ?? []), opId]);
        return undefined;
      });
      setImmediate(() => sendNdjson(response, answer));
    });
    const source = Array.from({ length: 60 }, (_, i) => ({
      id: `d${(i * i) % 7}`,
      opId: `op${i}`,
      document: { i },
    }));
    const report = await notesOf(node).bulk(source, { batchLines: 4, concurrency: 4 });
    expect(report).toMatchObject({ succeeded: 60, failed: 0 });
    for (const [id, order] of applied) {
      expect(order).toEqual(source.filter((line) => line.id === id).map((line) => line.opId));
    }
  });

  it("of nothing sends nothing", async () => {
    const node = await nodeThat(answering);
    expect(await notesOf(node).bulk([])).toMatchObject({ succeeded: 0, failed: 0, bytes: 0, session: "" });
    expect(node.requests).toHaveLength(0);
  });

  it("does not read its source ahead of what is being sent", async () => {
    const held: [SeenRequest, ServerResponse][] = [];
    const node = await nodeThat((request, response) => void held.push([request, response]));
    let pulled = 0;
    async function* source(): AsyncGenerator<BulkOperation> {
      for (const operation of documents(1000)) {
        pulled += 1;
        yield operation;
      }
    }
    const running = notesOf(node).bulk(source(), { batchLines: 10, concurrency: 3 });
    await expect.poll(() => held.length).toBe(3);
    expect(pulled).toBe(30);
    const [request, response] = held[0]!;
    sendNdjson(response, bulkAnswer(request.body));
    await expect.poll(() => held.length).toBe(4);
    // Were it reading ahead, it would have had the time of a whole request for it.
    expect(pulled).toBe(40);
    node.handle = answering;
    for (const [request, response] of held.slice(1)) sendNdjson(response, bulkAnswer(request.body));
    expect(await running).toMatchObject({ succeeded: 1000, failed: 0 });
    expect(pulled).toBe(1000);
  });

  it("never has more requests on the way than it may", async () => {
    let underway = 0;
    let most = 0;
    const node = await nodeThat((request, response) => {
      underway += 1;
      most = Math.max(most, underway);
      setTimeout(() => {
        underway -= 1;
        void answering(request, response, 0);
      }, 5);
    });
    await notesOf(node).bulk(documents(200), { batchLines: 10, concurrency: 4 });
    expect(most).toBe(4);
  });

  it("sends lines that failed for a while again, alone and under the same operation ids", async () => {
    const node = await nodeThat((request, response, number) =>
      sendNdjson(
        response,
        bulkAnswer(request.body, ({ id }) =>
          number === 1 && (id === "1" || id === "3") ? "notEnoughCopies" : undefined,
        ),
      ),
    );
    const progress: BulkProgress[] = [];
    const report = await notesOf(node).bulk(documents(5), { onProgress: (now) => progress.push(now) });
    expect(report).toMatchObject({ succeeded: 5, failed: 0 });
    const [first, second] = node.requests.map(linesOf);
    expect(second).toEqual([first![1], first![3]]);
    expect(progress.map((now) => now.succeeded)).toEqual([3, 5]);
  });

  it("gives lines that failed for good to onFailure, with their place in the source", async () => {
    const node = await nodeThat((request, response) =>
      sendNdjson(
        response,
        bulkAnswer(request.body, ({ id }) => (id === "12" ? "unknownField" : undefined)),
      ),
    );
    const failures: BulkFailure[] = [];
    const report = await notesOf(node).bulk(documents(20), {
      batchLines: 10,
      onFailure: (failure) => failures.push(failure),
    });
    expect(report).toMatchObject({ succeeded: 19, failed: 1 });
    expect(failures).toMatchObject([
      { position: 12, operation: { id: "12" }, error: { code: "unknownField", executed: "no" } },
    ]);
  });

  it("stops repeating a line at its limit, and says that it may have been executed once it may have been", async () => {
    const codes: ProblemCode[] = ["outcomeUnknown", "notEnoughCopies", "notEnoughCopies"];
    const node = await nodeThat((request, response, number) =>
      sendNdjson(
        response,
        bulkAnswer(request.body, ({ id }) => (id === "0" ? codes[number - 1] : undefined)),
      ),
    );
    const failures: BulkFailure[] = [];
    await notesOf(node).bulk(documents(2), {
      lineRetries: 2,
      onFailure: (failure) => failures.push(failure),
    });
    expect(node.requests).toHaveLength(3);
    expect(failures).toMatchObject([
      { position: 0, error: { code: "notEnoughCopies", executed: "unknown" } },
    ]);
  });

  it("whose answer is cut off is sent again whole, and counted once", async () => {
    const node = await nodeThat((request, response, number) => {
      const answer = bulkAnswer(request.body);
      if (number > 1) return sendNdjson(response, answer);
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      response.write(answer.slice(0, answer.length / 2), () => cut(response));
    });
    const report = await notesOf(node).bulk(documents(10));
    expect(report).toMatchObject({ succeeded: 10, failed: 0 });
    const [first, second] = node.requests.map(linesOf);
    expect(second).toEqual(first);
  });

  it("whose answer ends early asks again for what was not said", async () => {
    const node = await nodeThat((request, response, number) => {
      const answer = bulkAnswer(request.body);
      // The end is in the middle of the fourth line.
      const early = answer.split("\n").slice(0, 3).join("\n") + '\n{"line":4,"sta';
      sendNdjson(response, number === 1 ? early : answer);
    });
    const report = await notesOf(node).bulk(documents(6));
    expect(report).toMatchObject({ succeeded: 6, failed: 0 });
    const [first, second] = node.requests.map(linesOf);
    expect(second).toEqual(first!.slice(3));
    expect(report.session).toBe(sessionToken("uid", 0, 1));
  });

  it("merges the sessions of its requests", async () => {
    const node = await nodeThat((request, response, number) =>
      sendNdjson(response, bulkAnswer(request.body, undefined, sessionToken("uid", number, 7))),
    );
    const report = await notesOf(node).bulk(documents(30), { batchLines: 10 });
    expect([...(decodeSession(report.session).get("uid")?.keys() ?? [])].sort((a, b) => a - b)).toEqual([
      1, 2, 3,
    ]);
  });

  it("splits a request that is too large on the way, down to the line that is", async () => {
    const node = await nodeThat((request, response) => {
      if (Buffer.byteLength(request.body) <= 600) return answering(request, response, 0);
      response.writeHead(413).end("too large");
    });
    const source = documents(20);
    source[7] = { id: "7", document: { text: "x".repeat(1000) } };
    const failures: BulkFailure[] = [];
    const report = await notesOf(node).bulk(source, { onFailure: (failure) => failures.push(failure) });
    expect(report).toMatchObject({ succeeded: 19, failed: 1 });
    expect(failures).toMatchObject([{ position: 7, error: { code: "bodyTooLarge" } }]);
  });

  it("sends on what the server left unread of a body too large", async () => {
    const node = await nodeThat((request, response, number) => {
      const answer = bulkAnswer(request.body, (_line, line) =>
        number === 1 && line === 3 ? "bodyTooLarge" : undefined,
      );
      const upTo = number === 1 ? 3 : 100;
      sendNdjson(response, answer.split("\n").slice(0, upTo).join("\n") + "\n");
    });
    const report = await notesOf(node).bulk(documents(6));
    expect(report).toMatchObject({ succeeded: 6, failed: 0 });
  });

  it("waits out a storm of refusals", async () => {
    const node = await nodeThat((request, response, number) =>
      number % 4 === 0
        ? answering(request, response, number)
        : sendProblem(response, number % 2 === 0 ? "noPrimary" : "tooManyRequests", { "retry-after": "0" }),
    );
    const report = await notesOf(node).bulk(documents(100), { batchLines: 10 });
    expect(report).toMatchObject({ succeeded: 100, failed: 0 });
  });

  it("ends with the error of a request that failed for good, and sends no more", async () => {
    const node = await nodeThat((_request, response) => sendProblem(response, "collectionNotFound"));
    let closed = false;
    async function* source(): AsyncGenerator<BulkOperation> {
      try {
        yield* documents(1000);
        await new Promise(() => undefined);
      } finally {
        closed = true;
      }
    }
    const running = notesOf(node).bulk(source(), { batchLines: 10, concurrency: 2 });
    await expect(running).rejects.toMatchObject({ code: "collectionNotFound" });
    expect(node.requests.length).toBeLessThanOrEqual(2);
    await expect.poll(() => closed).toBe(true);
  });

  it("ends with what its source throws, after what was sent before is answered", async () => {
    const node = await nodeThat(answering);
    const progress: BulkProgress[] = [];
    function* source(): Generator<BulkOperation> {
      yield* documents(20);
      throw new Error("no more");
    }
    const running = notesOf(node).bulk(source(), { batchLines: 10, onProgress: (now) => progress.push(now) });
    await expect(running).rejects.toThrow("no more");
    expect(progress.at(-1)?.succeeded).toBe(20);
  });

  it.each([1, 500])(
    "ends when the caller gives up, be the source silent or not (batches of %i)",
    async (batchLines) => {
      const abort = new AbortController();
      const node = await nodeThat(answering);
      async function* source(): AsyncGenerator<BulkOperation> {
        yield { id: "1", document: {} };
        setTimeout(() => abort.abort(), 20);
        await new Promise(() => undefined);
      }
      const running = notesOf(node).bulk(source(), { batchLines, signal: abort.signal });
      await expect(running).rejects.toMatchObject({ code: "aborted" });
      expect(node.requests.length).toBeLessThanOrEqual(1);
    },
  );

  it("asks for a wait until copies show the lines, and says whether all requests saw that", async () => {
    let met = true;
    const seen = (request: { body: string }): string => {
      const detail = met ? {} : { detail: "node-b-0" };
      return bulkAnswer(request.body).replace(
        '"tookMs"',
        `"searchable":${JSON.stringify({ met, ...detail })},"tookMs"`,
      );
    };
    const node = await nodeThat((request, response) => sendNdjson(response, seen(request)));
    const notes = notesOf(node);
    const lines = [{ id: "a", document: {} }];
    expect((await notes.bulk(lines, { waitFor: "searchable" })).searchable).toEqual({ met: true });
    met = false;
    const report = await notes.bulk(lines, { waitFor: "searchable" });
    expect(report.searchable).toEqual({ met: false, detail: "node-b-0" });
    expect(await notes.bulk(lines)).not.toHaveProperty("searchable");
    expect(node.requests.map(({ path }) => path.replace(/.*bulk/, ""))).toEqual([
      "?waitFor=searchable",
      "?waitFor=searchable",
      "",
    ]);
    await expect(notes.bulk(lines, { waitFor: "seen" as "searchable" })).rejects.toThrow(RangeError);
  });

  it("gives an answer that comes piece by piece the time it needs, and none that stops", async () => {
    const node = await nodeThat(async (request, response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      for (const line of bulkAnswer(request.body).split("\n").slice(0, -1)) {
        response.write(`${line}\n`);
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      response.end();
    });
    const report = await notesOf(node).bulk(documents(6), { idleTimeoutMs: 250 });
    expect(report).toMatchObject({ succeeded: 6, failed: 0 });
    expect(node.requests).toHaveLength(1);

    const silent = await nodeThat((_request, response) => {
      response.writeHead(200).write('{"line":1');
    });
    const stuck = notesOf(silent).bulk(documents(1), { idleTimeoutMs: 50, lineRetries: 1 });
    await expect(stuck).rejects.toMatchObject({ code: "deadlineExceeded", executed: "unknown", attempts: 2 });
  });

  it("takes empty lines for signs of life, and not for an answer", async () => {
    const node = await nodeThat((_request, response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      const beat = setInterval(() => response.write("\n"), 20);
      response.once("close", () => clearInterval(beat));
    });
    const stuck = notesOf(node, { silenceTimeoutMs: 150 }).bulk(documents(1), {
      idleTimeoutMs: 600,
      lineRetries: 0,
    });
    const startMs = performance.now();
    await expect(stuck).rejects.toMatchObject({ code: "deadlineExceeded", attempts: 1 });
    expect(performance.now() - startMs).toBeGreaterThan(590);
  });

  it("refuses options out of range before it reads its source", async () => {
    const node = await nodeThat(answering);
    const source = {
      [Symbol.iterator]: () => {
        throw new Error("was read");
      },
    };
    for (const options of [{ concurrency: 0 }, { batchLines: 0 }, { batchBytes: 0.5 }, { lineRetries: -1 }])
      await expect(notesOf(node).bulk(source, options)).rejects.toThrow(RangeError);
  });
});
