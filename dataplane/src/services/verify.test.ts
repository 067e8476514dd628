import { DEFAULT_LIMITS, type Limits } from "@prism/api/limits";
import type { VerifyQuery } from "@prism/api/verify";
import { ShardCall, VerifyState, VerifyStep } from "@prism/proto/frame-kind";
import { VerifyRequest, VerifyResponse } from "@prism/proto/gen/node";
import { describe, expect, test } from "vitest";
import { bucketOf, BUCKETS, DIGEST_BYTES } from "../domain/verification.js";
import { FakeCluster, fakeMap } from "../testing/fake-cluster.js";
import { ClusterDirectory } from "./cluster-directory.js";
import { Deadline } from "./deadline.js";
import { NodeTraffic } from "./node-traffic.js";
import { ShardProblem, type ShardCallOptions, type ShardTarget } from "./shard-calls.js";
import { ShardWriter } from "./shard-writer.js";
import { VerifyService } from "./verify.js";

const NODES = ["n1", "n2", "n3"];
const QUERY: VerifyQuery = { differences: 10 };

interface Asked {
  readonly node: string;
  readonly step: number;
}

/** Copies that hold what they are told to: per node the documents with one byte that stands for the content. */
class VerifiedCluster extends FakeCluster {
  readonly asked: Asked[] = [];
  readonly held = new Map(NODES.map((node) => [node, new Map([["a", 1]])]));
  readonly indexedLess = new Set<string>();
  /** Copies that never come to the marker. */
  readonly stuck = new Set<string>();
  hold: Promise<void> = Promise.resolve();

  override async call(
    target: ShardTarget,
    call: ShardCall,
    payload: Uint8Array,
    options: ShardCallOptions,
  ): Promise<Uint8Array> {
    if (call !== ShardCall.verify) return super.call(target, call, payload, options);
    const { step, buckets } = VerifyRequest.decode(payload);
    this.asked.push({ node: target.node, step });
    if (!this.isReachable(target.node)) throw new ShardProblem("shardUnavailable", "no connection");
    await this.hold;
    if (step === VerifyStep.digest && this.stuck.has(target.node)) await new Promise(setImmediate);
    return VerifyResponse.encode(this.#answer(target, step, new Set(buckets)));
  }

  #answer({ node, shard }: ShardTarget, step: number, buckets: ReadonlySet<number>): VerifyResponse {
    const documents = this.held.get(node)!;
    const digests = new Uint8Array(BUCKETS * DIGEST_BYTES);
    for (const [id, content] of documents) digests[bucketOf(id) * DIGEST_BYTES] = content;
    const listed = [...documents]
      .filter(([id]) => step === VerifyStep.list && buckets.has(bucketOf(id)))
      .map(([id, content]) => ({ id, term: 1, seq: 5, digest: Uint8Array.of(content) }));
    return {
      state: this.stuck.has(node) ? VerifyState.waiting : VerifyState.done,
      allocationId: `${shard}@${node}`,
      seq: 9,
      documents: documents.size,
      indexed: documents.size - (this.indexedLess.has(node) ? 1 : 0),
      operations: 2,
      digests,
      operationsDigest: Uint8Array.of(1),
      listed,
    };
  }
}

function setup(limits: Partial<Limits> = {}): { cluster: VerifiedCluster; service: VerifyService } {
  const map = fakeMap({ nodes: NODES, factor: 3, collections: [{ name: "c", shards: 1 }] });
  const cluster = new VerifiedCluster("n1", map);
  const directory = new ClusterDirectory(cluster.view);
  const writer = new ShardWriter(cluster, directory, new NodeTraffic(cluster, 50));
  return {
    cluster,
    service: new VerifyService(directory, cluster, writer, { ...DEFAULT_LIMITS, ...limits }),
  };
}

const waiting = (timeoutMs = 5000) => ({ deadline: Deadline.in(timeoutMs) });

describe("a verification", () => {
  test("prepares every copy, writes the marker, reads and releases them", async () => {
    const { cluster, service } = setup();
    const answer = await service.verify("c", QUERY, waiting());
    expect(answer).toMatchObject({ status: "equal", shards: [{ seq: 9, differences: [] }] });
    expect(cluster.made.map(({ call }) => call)).toEqual([ShardCall.write]);
    const stepsOf = (node: string): number[] =>
      cluster.asked.filter((one) => one.node === node).map(({ step }) => step);
    const steps = [VerifyStep.prepare, VerifyStep.digest, VerifyStep.release];
    for (const node of NODES) expect(stepsOf(node)).toEqual(steps);
  });

  test("names what differs, what is missing, and no more than was asked for", async () => {
    const { cluster, service } = setup();
    cluster.held.get("n2")!.set("a", 2);
    cluster.held.get("n3")!.set("b", 1);
    const [shard] = (await service.verify("c", QUERY, waiting())).shards;
    expect(shard).toMatchObject({ status: "different", moreDifferences: false });
    expect(shard?.differences.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(shard?.differences[1]?.copies.map(({ version }) => version)).toEqual([null, null, "1.5"]);
    const [first] = (await service.verify("c", { differences: 1 }, waiting())).shards;
    expect(first?.differences.map(({ id }) => id)).toEqual(["a"]);
    expect(first?.moreDifferences).toBe(true);
  });

  test("takes indexes that lack a document for a difference", async () => {
    const { cluster, service } = setup();
    cluster.indexedLess.add("n3");
    const [shard] = (await service.verify("c", QUERY, waiting())).shards;
    expect(shard).toMatchObject({ status: "different", indexesComplete: false, differences: [] });
  });

  test("is unavailable when a copy can't be asked, and never equal; a difference of the others counts", async () => {
    const { cluster, service } = setup();
    cluster.conduct("n3", { kind: "unreachable" });
    const [shard] = (await service.verify("c", QUERY, waiting())).shards;
    expect(shard?.status).toBe("unavailable");
    expect(shard?.copies.find(({ problem }) => problem !== undefined)?.problem?.code).toBe(
      "shardUnavailable",
    );
    cluster.held.get("n2")!.set("a", 2);
    expect((await service.verify("c", QUERY, waiting())).status).toBe("different");
  });

  test("ends at its time limit, and tells the copies that it has", async () => {
    const { cluster, service } = setup();
    cluster.stuck.add("n2");
    await expect(service.verify("c", QUERY, waiting(100))).rejects.toMatchObject({ code: "timeout" });
    expect(cluster.asked.filter(({ step }) => step === VerifyStep.release)).toHaveLength(3);
  });

  test("ends when the caller goes away", async () => {
    const { cluster, service } = setup();
    cluster.stuck.add("n2");
    const caller = new AbortController();
    const running = service.verify("c", QUERY, { ...waiting(60_000), signal: caller.signal });
    setImmediate(() => caller.abort());
    await expect(running).rejects.toMatchObject({ code: "timeout" });
    expect(cluster.asked.filter(({ step }) => step === VerifyStep.release)).toHaveLength(3);
  });

  test("is refused beside as many as the limit allows, and for shards that are not there", async () => {
    const { cluster, service } = setup({ verifications: 1 });
    const release: (() => void)[] = [];
    cluster.hold = new Promise((resolve) => release.push(resolve));
    const first = service.verify("c", QUERY, waiting());
    await expect(service.verify("c", QUERY, waiting())).rejects.toMatchObject({
      code: "tooManyRequests",
      detail: expect.stringContaining("limits.verifications") as string,
    });
    release[0]!();
    expect((await first).status).toBe("equal");
    const unknown = service.verify("c", { ...QUERY, shards: [1] }, waiting());
    await expect(unknown).rejects.toMatchObject({ code: "invalidRequest" });
    expect((await service.verify("c", QUERY, waiting())).status).toBe("equal");
  });
});
