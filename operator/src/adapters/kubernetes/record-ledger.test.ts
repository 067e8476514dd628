import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { ApiError } from "@prism/kube-machinery/api-error";
import { expect, test, vi } from "vitest";
import { RecordLedger } from "./record-ledger.js";
import type { ConfigMap } from "./prism-resources.js";

const SHARD = { collectionUid: "c", number: 0 };

/** One ConfigMap, whose writes fail while `refused`. */
class FakeServer {
  refused = false;
  writes = 0;
  stored: ConfigMap | undefined;
  /** Writes are answered when it resolves. */
  gate: Promise<void> | undefined;

  readonly client = {
    get: async () => this.stored,
    create: async (_resource: unknown, object: ConfigMap) => this.#write(object),
    replace: async (_resource: unknown, object: ConfigMap) => {
      await this.gate;
      return this.#write(object);
    },
  } as unknown as ApiClient;

  #write(object: ConfigMap): ConfigMap {
    this.writes += 1;
    if (this.refused) throw new ApiError({ status: 503, reason: "ServiceUnavailable", message: "not now" });
    const metadata = { ...object.metadata, uid: "u", resourceVersion: String(this.writes) };
    this.stored = { ...object, metadata };
    return this.stored;
  }
}

function ledgerOf({ client }: FakeServer, onNoted = (): void => undefined): RecordLedger {
  const at = { namespace: "x", cluster: "demo", fieldManager: "m" };
  return new RecordLedger({ client, ...at, onNoted, onError: () => undefined });
}

test("a version is noted by itself when the server takes writes again, without anybody who waits", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const server = new FakeServer();
    const noted = vi.fn<() => void>();
    const ledger = ledgerOf(server, noted);
    await ledger.settled();
    server.refused = true;
    expect(ledger.take(SHARD, 3)).toBe("notYet");
    await expect(ledger.settled()).rejects.toThrow("not now");
    server.refused = false;
    await vi.advanceTimersByTimeAsync(1000);
    await vi.waitFor(() => expect(server.stored?.data).toEqual({ c: "3" }));
    expect(ledger.take(SHARD, 3)).toBe("noted");
    expect(ledger.take(SHARD, 2)).toBe("older");
    ledger.close();
  } finally {
    vi.useRealTimers();
  }
});

test("one that is closed writes nothing more, and nobody waits for it", async () => {
  const server = new FakeServer();
  const ledger = ledgerOf(server);
  await ledger.settled();
  server.refused = true;
  ledger.take(SHARD, 1);
  ledger.close();
  await expect(ledger.settled()).rejects.toThrow(/closed|not now/);
  const { writes } = server;
  await expect(ledger.settled()).rejects.toThrow("the store is closed");
  expect(server.writes).toBe(writes);
});

test("who asks while a write is under way waits for it", async () => {
  const server = new FakeServer();
  const ledger = ledgerOf(server);
  ledger.take(SHARD, 1);
  await ledger.settled();
  let open = (): void => undefined;
  server.gate = new Promise((resolve) => (open = resolve));
  ledger.take(SHARD, 2);
  const first = ledger.settled();
  // Long enough for the write to have begun.
  for (let turn = 0; turn < 5; turn += 1) await turnOfTheLoop();
  const settled = vi.fn<() => void>();
  const second = ledger.settled().then(settled);
  for (let turn = 0; turn < 5; turn += 1) await turnOfTheLoop();
  expect(settled).not.toHaveBeenCalled();
  open();
  await Promise.all([first, second]);
  expect(server.stored?.data).toEqual({ c: "2" });
  ledger.close();
});

test("a shard that was forgotten is new again under its number", async () => {
  const server = new FakeServer();
  const ledger = ledgerOf(server);
  await ledger.settled();
  ledger.take(SHARD, 5);
  await ledger.settled();
  ledger.forget(SHARD);
  expect(ledger.highest(SHARD)).toBe(0);
  ledger.take({ ...SHARD, number: 1 }, 1);
  await ledger.settled();
  expect(server.stored?.data).toEqual({ c: ",1" });
  ledger.close();
});
