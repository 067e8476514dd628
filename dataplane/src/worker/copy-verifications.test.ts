import { ShardCall, VerifyState, VerifyStep } from "@prism/proto/frame-kind";
import { VerifyRequest, VerifyResponse } from "@prism/proto/gen/node";
import { afterEach, expect, test } from "vitest";
import { encodeDocument } from "../adapters/lmdb/entry-codec.js";
import { ShardStore } from "../adapters/lmdb/shard-store.js";
import { numberKey } from "../adapters/lmdb/store-key.js";
import { bucketOf, BUCKETS, DIGEST_BYTES, markerOf } from "../domain/verification.js";
import { CallFailed, clusterMap, until, WorkerHarness } from "./testing/worker-harness.js";

const open: WorkerHarness[] = [];

afterEach(async () => {
  for (const harness of open) await harness.closed();
  for (const harness of open.splice(0)) harness.remove();
});

async function startPrimary(directory?: string, term = 1): Promise<WorkerHarness> {
  const harness = new WorkerHarness(directory === undefined ? {} : { directory });
  open.push(harness);
  const again = { shard: { term, version: term, bootstrap: "" } };
  harness.applyMap(term === 1 ? clusterMap(1) : clusterMap(1, again));
  await until("primary", () => harness.report()?.role === "primary");
  return harness;
}

async function ask(
  worker: WorkerHarness,
  verificationId: string,
  step: VerifyStep,
  buckets: readonly number[] = [],
): Promise<VerifyResponse> {
  const request = VerifyRequest.encode({ verificationId, step, buckets: [...buckets] });
  return VerifyResponse.decode(await worker.call(ShardCall.verify, request));
}

async function mark(worker: WorkerHarness, verificationId: string): Promise<number> {
  const { operationId, id } = markerOf(verificationId);
  const { outcomes } = await worker.write([{ operationId, id, action: "delete" }]);
  expect(outcomes[0]?.result).toBe("unchanged");
  return outcomes[0]!.seq;
}

async function done(worker: WorkerHarness, verificationId: string): Promise<VerifyResponse> {
  let last: VerifyResponse | undefined;
  await expect
    .poll(async () => (last = await ask(worker, verificationId, VerifyStep.digest)).state, {
      timeout: 10_000,
    })
    .toBe(VerifyState.done);
  return last!;
}

/** The sums at a marker of now. */
async function verified(worker: WorkerHarness, verificationId: string): Promise<VerifyResponse> {
  expect((await ask(worker, verificationId, VerifyStep.prepare)).state).toBe(VerifyState.waiting);
  await mark(worker, verificationId);
  return done(worker, verificationId);
}

function documents(prefix: string, count: number): { id: string; document: { title: string } }[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `${prefix}${i}`,
    document: { title: `${prefix} ${i}` },
  }));
}

test("a copy reads exactly what it holds at the marker, whatever is written meanwhile", async () => {
  const worker = await startPrimary();
  await worker.write(documents("a", 300));
  expect((await ask(worker, "v1", VerifyStep.prepare)).state).toBe(VerifyState.waiting);
  const before = worker.write(documents("b", 50));
  const marked = mark(worker, "v1");
  const after = [worker.write(documents("c", 50)), worker.write([{ id: "a1", action: "delete" }])];
  await Promise.all([before, ...after]);
  const first = await done(worker, "v1");
  expect(first).toMatchObject({ seq: await marked, documents: 350, indexed: 350 });
  expect(first.digests).toHaveLength(BUCKETS * DIGEST_BYTES);
  const listed = await ask(worker, "v1", VerifyStep.list, [bucketOf("a1"), bucketOf("c1")]);
  expect(listed.listed.map(({ id }) => id)).toContain("a1");
  expect(listed.listed.map(({ id }) => id)).not.toContain("c1");
  const second = await verified(worker, "v2");
  expect(second).toMatchObject({ documents: 399, indexed: 399 });
  expect(Buffer.compare(first.digests, second.digests)).not.toBe(0);
  expect((await ask(worker, "v1", VerifyStep.release)).state).toBe(VerifyState.gone);
});

test("nothing waits behind a verification that nobody goes on with, and few are taken at once", async () => {
  const worker = await startPrimary();
  for (const id of ["v1", "v2", "v3", "v4"]) await ask(worker, id, VerifyStep.prepare);
  await expect(ask(worker, "v5", VerifyStep.prepare)).rejects.toBeInstanceOf(CallFailed);
  await mark(worker, "v1");
  await mark(worker, "unknown");
  expect((await worker.write(documents("a", 10))).outcomes).toHaveLength(10);
  await ask(worker, "v1", VerifyStep.release);
  expect((await ask(worker, "v1", VerifyStep.digest)).state).toBe(VerifyState.gone);
  expect((await ask(worker, "v5", VerifyStep.prepare)).state).toBe(VerifyState.waiting);
});

test("a document changed behind the copy's back changes its bucket and no other, and a damaged one is listed as such", async () => {
  const worker = await startPrimary();
  await worker.write(documents("a", 40));
  const sound = await verified(worker, "v1");
  await worker.closed();
  open.splice(open.indexOf(worker), 1);
  const store = new ShardStore(`${worker.directory}/stores/0`, {
    sync: true,
    onDiskFull: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  const { slot } = store.records()[0]!;
  const doc = store.docOfId(slot, "a7")!;
  const stored = store.document(slot, doc)!;
  const record = Buffer.from(stored.record);
  record.write("X", record.indexOf("a 7"));
  store.put("documents", numberKey(slot, doc), encodeDocument({ ...stored, record }));
  store.put(
    "documents",
    numberKey(slot, store.docOfId(slot, "a8")!),
    Buffer.from("damaged, and too short to be one"),
  );
  await store.close();
  const again = await startPrimary(worker.directory, 2);
  const planted = await verified(again, "v2");
  const different = Array.from({ length: BUCKETS }, (_, bucket) => bucket).filter((bucket) => {
    const range = [bucket * DIGEST_BYTES, (bucket + 1) * DIGEST_BYTES] as const;
    return Buffer.compare(planted.digests.subarray(...range), sound.digests.subarray(...range)) !== 0;
  });
  expect(different.toSorted((a, b) => a - b)).toEqual(
    [bucketOf("a7"), bucketOf("a8")].toSorted((a, b) => a - b),
  );
  const { listed } = await ask(again, "v2", VerifyStep.list, different);
  expect(listed.find(({ id }) => id === "a7")?.digest).toHaveLength(DIGEST_BYTES);
  expect(listed.find(({ id }) => id === "a8")?.digest).toHaveLength(0);
});
