/**
 * Compares the in-sync copies of one shard: tells every copy to wait for a marker, writes the marker through
 * the log as an operation that changes nothing, collects the sums that the copies make of what they hold
 * right after it, and lists the documents of buckets that differ.
 */
import { createHash } from "node:crypto";
import { Problem } from "@prism/api/problem-code";
import type { ShardVerification, VerifiedCopy } from "@prism/api/verify";
import { ShardCall, VerifyState, VerifyStep, WriteAction } from "@prism/proto/frame-kind";
import { VerifyRequest, VerifyResponse } from "@prism/proto/gen/node";
import type { CopyPlace, ShardMap } from "../domain/cluster-map.js";
import {
  BUCKETS_LISTED,
  differingBuckets,
  differingDocuments,
  indexesComplete,
  markerOf,
  operationsEqual,
  type DocumentDifference,
  type ListedDocument,
} from "../domain/verification.js";
import type { ClusterDirectory, CollectionEntry } from "./cluster-directory.js";
import { Deadline } from "./deadline.js";
import type { Waiting } from "./documents.js";
import type { ShardCalls } from "./shard-calls.js";
import type { ShardWriter } from "./shard-writer.js";

export interface ShardVerifierOptions {
  readonly collection: CollectionEntry;
  readonly shard: ShardMap;
  readonly verificationId: string;
  /** Differing documents to name. */
  readonly differences: number;
  readonly waiting: Waiting;
}

interface Ports {
  readonly calls: ShardCalls;
  readonly writer: ShardWriter;
  readonly directory: ClusterDirectory;
}

interface Reading {
  readonly place: CopyPlace;
  readonly response: VerifyResponse;
}

const CALL_TIMEOUT_MS = 5000;
/** Less than a copy waits for somebody to go on. */
const MARKER_TIMEOUT_MS = 10_000;
/** Listing goes through all ids of a copy once. */
const LIST_TIMEOUT_MS = 120_000;

export class ShardVerifier {
  readonly #ports: Ports;
  readonly #options: ShardVerifierOptions;
  readonly #failed = new Map<CopyPlace, Problem>();

  constructor(ports: Ports, options: ShardVerifierOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Rejects with Problem `timeout` when the time is up or the caller gave up; else never. */
  async run(): Promise<ShardVerification> {
    const { shard, waiting } = this.#options;
    const places = shard.copies.filter((copy) => shard.inSync.includes(copy.id));
    try {
      const prepared = await this.#each(places, (place) => this.#ask(place, VerifyStep.prepare));
      this.#assertTime(waiting);
      if (prepared.length === 0) {
        return this.#result(places, [], [], new Problem("shardUnavailable", "no copy could be asked"));
      }
      const problem = await this.#writeMarker();
      if (problem !== undefined) return this.#result(places, [], [], problem);
      const readings = await this.#each(
        prepared.map(({ place }) => place),
        (place) => this.#sums(place),
      );
      this.#assertTime(waiting);
      return this.#result(places, readings, await this.#differences(readings), undefined);
    } finally {
      for (const place of places) {
        void this.#ask(place, VerifyStep.release, [], CALL_TIMEOUT_MS, true).catch(() => undefined);
      }
    }
  }

  /** Asks all, and remembers why those that do not answer do not. */
  async #each(
    places: readonly CopyPlace[],
    ask: (place: CopyPlace) => Promise<VerifyResponse>,
  ): Promise<Reading[]> {
    const answers = await Promise.all(
      places.map(async (place) => {
        try {
          return { place, response: await ask(place) };
        } catch (error) {
          this.#failed.set(place, toProblem(error));
          return undefined;
        }
      }),
    );
    return answers.filter((answer) => answer !== undefined);
  }

  async #writeMarker(): Promise<Problem | undefined> {
    const { collection, shard, verificationId, waiting } = this.#options;
    const marker = {
      ...markerOf(verificationId),
      action: WriteAction.delete,
      document: new Uint8Array(0),
      ifMatch: "",
      ifNoneMatch: false,
    };
    const deadline = Deadline.in(Math.min(MARKER_TIMEOUT_MS, waiting.deadline.leftMs));
    const options = { deadline, signal: waiting.signal, waitsForQueue: true };
    const [outcome] = await this.#ports.writer.write(collection, shard.number, [marker], options);
    return outcome?.kind === "refused" ? outcome.problem : undefined;
  }

  async #sums(place: CopyPlace): Promise<VerifyResponse> {
    for (;;) {
      const response = await this.#ask(place, VerifyStep.digest);
      if (response.state === VerifyState.done) return response;
      if (response.state === VerifyState.gone) {
        throw new Problem("shardUnavailable", "the copy's node restarted meanwhile, or gave up");
      }
    }
  }

  async #differences(readings: readonly Reading[]): Promise<DocumentDifference[]> {
    const buckets = differingBuckets(readings.map(({ response }) => response));
    const found: DocumentDifference[] = [];
    for (let at = 0; at < buckets.length && found.length <= this.#options.differences; at += BUCKETS_LISTED) {
      const listed = await this.#each(
        readings.map(({ place }) => place),
        (place) => this.#ask(place, VerifyStep.list, buckets.slice(at, at + BUCKETS_LISTED), LIST_TIMEOUT_MS),
      );
      // A copy that went away meanwhile would look as if it had none of these documents.
      if (listed.length < readings.length) break;
      found.push(
        ...differingDocuments(listed.map(({ response }): readonly ListedDocument[] => response.listed)),
      );
    }
    return found;
  }

  async #ask(
    place: CopyPlace,
    step: VerifyStep,
    buckets: readonly number[] = [],
    timeoutMs = CALL_TIMEOUT_MS,
    evenWhenOver = false,
  ): Promise<VerifyResponse> {
    const { shard, verificationId, waiting } = this.#options;
    const { deadline, signal } = waiting;
    if (!evenWhenOver) this.#assertTime(waiting);
    const request = VerifyRequest.encode({ verificationId, step, buckets: [...buckets] });
    const leftMs = evenWhenOver ? timeoutMs : Math.max(1, Math.min(timeoutMs, deadline.leftMs));
    const answer = await this.#ports.calls.call(
      { node: place.node, shard: shard.uid },
      ShardCall.verify,
      request,
      {
        timeoutMs: leftMs,
        ...(signal === undefined || evenWhenOver ? {} : { signal }),
      },
    );
    const response = VerifyResponse.decode(answer);
    if (response.allocationId !== place.id) {
      throw new Problem("shardUnavailable", `the node holds copy ${response.allocationId} now`);
    }
    return response;
  }

  #assertTime({ deadline, signal }: Waiting): void {
    if (deadline.hasPassed || signal?.aborted === true) {
      throw new Problem("timeout", `the verification did not end within ${Math.round(deadline.totalMs)} ms`);
    }
  }

  #result(
    places: readonly CopyPlace[],
    readings: readonly Reading[],
    differences: readonly DocumentDifference[],
    problem: Problem | undefined,
  ): ShardVerification {
    const responses = readings.map(({ response }) => response);
    const buckets = differingBuckets(responses);
    const operations = operationsEqual(responses);
    const indexes = indexesComplete(responses);
    const isDifferent = buckets.length > 0 || !operations || !indexes;
    const isComplete = problem === undefined && readings.length === places.length;
    const most = this.#options.differences;
    return {
      shard: this.#options.shard.number,
      status: isDifferent ? "different" : isComplete ? "equal" : "unavailable",
      ...(responses[0] === undefined ? {} : { seq: responses[0].seq }),
      copies: places.map((place) => this.#copy(place, readings)),
      operationsEqual: operations,
      indexesComplete: indexes,
      differences: differences.slice(0, most).map(({ id, copies }) => ({
        id,
        copies: copies.map((document, i) => ({
          node: this.#nameOf(readings[i]!.place),
          version: document === undefined ? null : versionOf(document),
          digest: document === undefined || document.digest.length === 0 ? null : toHex(document.digest),
          damaged: document !== undefined && document.digest.length === 0,
        })),
      })),
      moreDifferences: differences.length > most || (buckets.length > 0 && differences.length === 0),
      ...(problem === undefined ? {} : { problem: { code: problem.code, detail: problem.detail } }),
    };
  }

  #copy(place: CopyPlace, readings: readonly Reading[]): VerifiedCopy {
    const { id, zone } = place;
    const failure = this.#failed.get(place);
    const response = readings.find((reading) => reading.place === place)?.response;
    return {
      id,
      node: this.#nameOf(place),
      zone,
      ...(response === undefined
        ? {}
        : {
            documents: response.documents,
            indexed: response.indexed,
            operations: response.operations,
            digest: createHash("sha256").update(response.digests).digest("hex").slice(0, 32),
          }),
      ...(failure === undefined ? {} : { problem: { code: failure.code, detail: failure.detail } }),
    };
  }

  #nameOf({ node }: CopyPlace): string {
    return this.#ports.directory.index().nodes.get(node)?.name ?? node;
  }
}

function versionOf({ term, seq, digest }: ListedDocument): string | null {
  return digest.length === 0 && seq === 0 ? null : `${term}.${seq}`;
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem("internalError", (error as Error).message, { cause: error });
}
