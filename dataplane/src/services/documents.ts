/** One document: read it, write it; and pages of all documents in the order of their ids. */
import { Problem } from "@prism/api/problem-code";
import type { Limits } from "@prism/api/limits";
import { ShardCall, WriteAction } from "@prism/proto/frame-kind";
import {
  GetRequest,
  GetResponse,
  ScanRequest,
  ScanResponse,
  type Document,
  type WriteItem,
} from "@prism/proto/gen/node";
import { encodeSession } from "@prism/api/session";
import { checkDocumentId, checkOperationId } from "@prism/api/document";
import { refuse } from "@prism/api/schema";
import { compareByteOrder } from "../domain/byte-order.js";
import { primaryNodeOf } from "../domain/choose-copies.js";
import { ringKeyOfRead, ringKeyOfWrite, type DocumentWrite } from "../domain/document-route.js";
import { decodeScanCursor, encodeScanCursor } from "../domain/scan-cursor.js";
import type { ClusterDirectory, CollectionEntry } from "./cluster-directory.js";
import type { CopyReader } from "./copy-reader.js";
import type { Deadline } from "./deadline.js";
import { newDocumentId, newId } from "./id-source.js";
import { ReadSession, sessionOf } from "./read-level.js";
import type { ShardWriter, Written } from "./shard-writer.js";

const NO_DOCUMENT = new Uint8Array(0);

export interface WriteCommand extends DocumentWrite {
  /** The Idempotency-Key; one is made when there is none. */
  readonly operationId: string | undefined;
  /** "<term>.<seq>". */
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: boolean;
}

export interface WriteAnswer {
  readonly id: string;
  readonly shard: number;
  readonly written: Written;
  readonly session: string;
}

export interface Waiting {
  readonly deadline: Deadline;
  readonly signal?: AbortSignal | undefined;
}

export interface ReadCommand {
  readonly include: readonly string[] | undefined;
  readonly session: string | undefined;
}

export interface ScanPage {
  readonly documents: readonly Document[];
  readonly cursor: string | null;
}

export class DocumentService {
  readonly #directory: ClusterDirectory;
  readonly #reader: CopyReader;
  readonly #writer: ShardWriter;
  readonly #limits: Limits;

  constructor(directory: ClusterDirectory, reader: CopyReader, writer: ShardWriter, limits: Limits) {
    this.#directory = directory;
    this.#reader = reader;
    this.#writer = writer;
    this.#limits = limits;
  }

  /**
   * Throws Problem: what the primary found wrong; `noPrimary` and the like when nothing was executed
   * within the deadline; `outcomeUnknown` when it may have been.
   */
  async write(name: string, command: WriteCommand, waiting: Waiting): Promise<WriteAnswer> {
    const collection = this.#directory.collection(name);
    const shard = this.#shardOfWrite(collection, command);
    const item = toWriteItem(command, this.#limits);
    const options = { ...waiting, waitsForQueue: false };
    const [outcome] = await this.#writer.write(collection, shard, [item], options);
    if (outcome === undefined) throw new Problem("internalError", "the write has no outcome");
    if (outcome.kind === "refused") throw outcome.problem;
    const { historyId, seq } = outcome;
    const session = encodeSession(sessionOf(collection.uid, [{ shard, historyId, seq }]));
    return { id: command.id, shard, written: outcome, session };
  }

  /** The id of a document that comes without one. Throws Problem `collectionNotFound`. */
  newId(name: string, operationId: string | undefined): string {
    return newDocumentId(this.#directory.collection(name).uid, operationId);
  }

  /** Base URL of the primary's node when that is another node; undefined when this one is to act. */
  primaryElsewhere(name: string, command: DocumentWrite): string | undefined {
    const collection = this.#directory.collection(name);
    const shard = collection.shards[this.#shardOfWrite(collection, command)];
    const primary = shard === undefined ? undefined : primaryNodeOf(shard);
    if (primary === undefined || primary === this.#directory.self) return undefined;
    const node = this.#directory.index().nodes.get(primary);
    return node === undefined || node.state !== "alive" || node.httpUrl === "" ? undefined : node.httpUrl;
  }

  /** Throws Problem `documentNotFound`. */
  async get(
    name: string,
    id: string,
    command: ReadCommand & { readonly shardKey: string | undefined },
    waiting: Waiting,
  ): Promise<Document> {
    const collection = this.#directory.collection(name);
    checkId(id, this.#limits);
    const number = collection.ring.shardOf(ringKeyOfRead(collection.spec, id, command.shardKey));
    const read = new ReadSession(command.session, collection.uid, "").levelOf(number);
    const request = GetRequest.encode({
      id,
      include: [...(command.include ?? [])],
      hasInclude: command.include !== undefined,
      ...(read === undefined ? {} : { read }),
    });
    const answer = await this.#reader.read({ collection, number }, ShardCall.get, request, waiting);
    const { found, document } = GetResponse.decode(answer.payload);
    if (!found || document === undefined) {
      throw new Problem("documentNotFound", `${name} has no document ${JSON.stringify(id)}`);
    }
    return document;
  }

  /** Throws Problem when any shard does not answer: a page with a hole would look whole. */
  async scan(
    name: string,
    command: ReadCommand & { readonly cursor: string | undefined; readonly limit: number },
    waiting: Waiting,
  ): Promise<ScanPage> {
    const collection = this.#directory.collection(name);
    const after = command.cursor === undefined ? "" : decodeScanCursor(command.cursor, collection.uid);
    const session = new ReadSession(command.session, collection.uid, "");
    const pages = await Promise.all(
      collection.shards.map(async (_, number) => {
        const read = session.levelOf(number);
        const request = ScanRequest.encode({
          after,
          limit: command.limit + 1,
          include: [...(command.include ?? [])],
          hasInclude: command.include !== undefined,
          ...(read === undefined ? {} : { read }),
        });
        const answer = await this.#reader.read({ collection, number }, ShardCall.scan, request, waiting);
        return ScanResponse.decode(answer.payload).documents;
      }),
    );
    const merged = pages.flat().sort((a, b) => compareByteOrder(a.id, b.id));
    let end = Math.min(command.limit, merged.length);
    // With a shard key two shards may have one id: the cursor is the id alone, so both go on one page.
    while (end > 0 && end < merged.length && merged[end]!.id === merged[end - 1]!.id) end += 1;
    const documents = merged.slice(0, end);
    const last = documents.at(-1);
    const cursor =
      end < merged.length && last !== undefined ? encodeScanCursor(last.id, collection.uid) : null;
    return { documents, cursor };
  }

  #shardOfWrite(collection: CollectionEntry, command: DocumentWrite): number {
    checkId(command.id, this.#limits);
    return collection.ring.shardOf(ringKeyOfWrite(collection.spec, command));
  }
}

function checkId(id: string, limits: Limits): void {
  const violation = checkDocumentId(id, limits, "");
  if (violation !== undefined) refuse("document id", [violation]);
}

/** Throws Problem when the operation id is too long or has control characters. */
export function toWriteItem(command: WriteCommand, limits: Limits): WriteItem {
  const { operationId } = command;
  const violation = operationId === undefined ? undefined : checkOperationId(operationId, limits, "");
  if (violation !== undefined) refuse("Idempotency-Key", [violation]);
  return {
    operationId: operationId ?? newId(),
    action: WriteAction[command.action],
    id: command.id,
    document: command.document ?? NO_DOCUMENT,
    ifMatch: command.ifMatch ?? "",
    ifNoneMatch: command.ifNoneMatch,
  };
}
