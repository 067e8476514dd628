/** One document: read it, write it; and pages of all documents in the order of their ids. */
import type { Consistency, ConsistencyAnswer } from "@prism/api/consistency";
import { Problem } from "@prism/api/problem-code";
import type { Searchable } from "@prism/api/document";
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
import type { CancelSignal } from "./cancellation.js";
import type { ClusterDirectory, CollectionEntry } from "./cluster-directory.js";
import type { Deadline } from "./deadline.js";
import { newDocumentId, newId } from "./id-source.js";
import type { EncodeAtLevel, LevelReader } from "./level-reader.js";
import { ReadSession, sessionOf } from "./read-level.js";
import type { Searchability } from "./searchability.js";
import type { ShardWriter, Written } from "./shard-writer.js";

const NO_DOCUMENT = new Uint8Array(0);

export interface WriteCommand extends DocumentWrite {
  /** The Idempotency-Key; one is made when there is none. */
  readonly operationId: string | undefined;
  /** "<term>.<seq>". */
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: boolean;
}

export interface WriteWaiting extends Waiting {
  /** After the acknowledgement, until every in-sync copy shows the write. */
  readonly waitsForSearchable?: boolean;
}

export interface WriteAnswer {
  readonly id: string;
  readonly shard: number;
  readonly written: Written;
  readonly session: string;
  readonly searchable: Searchable | undefined;
}

export interface Waiting {
  readonly deadline: Deadline;
  readonly signal?: CancelSignal | undefined;
}

export interface ReadCommand {
  readonly include: readonly string[] | undefined;
  readonly consistency: Consistency;
}

interface ReadAnswer {
  readonly consistency: ConsistencyAnswer;
  readonly session: string;
}

export interface DocumentAnswer extends ReadAnswer {
  readonly document: Document;
}

export interface ScanPage extends ReadAnswer {
  readonly documents: readonly Document[];
  readonly cursor: string | null;
}

export class DocumentService {
  readonly #directory: ClusterDirectory;
  readonly #reader: LevelReader;
  readonly #writer: ShardWriter;
  readonly #searchability: Searchability;
  readonly #limits: Limits;

  constructor(
    directory: ClusterDirectory,
    reader: LevelReader,
    writer: ShardWriter,
    searchability: Searchability,
    limits: Limits,
  ) {
    this.#directory = directory;
    this.#reader = reader;
    this.#writer = writer;
    this.#searchability = searchability;
    this.#limits = limits;
  }

  /**
   * Throws Problem: what the primary found wrong; `noPrimary` and the like when nothing was executed
   * within the deadline; `outcomeUnknown` when it may have been.
   */
  async write(name: string, command: WriteCommand, waiting: WriteWaiting): Promise<WriteAnswer> {
    const collection = this.#directory.collection(name);
    const shard = this.#shardOfWrite(collection, command);
    const item = toWriteItem(command, this.#limits);
    const options = { ...waiting, waitsForQueue: false };
    const [outcome] = await this.#writer.write(collection, shard, [item], options);
    if (outcome === undefined) throw new Problem("internalError", "the write has no outcome");
    if (outcome.kind === "refused") throw outcome.problem;
    const { historyId, seq } = outcome;
    const seen = [{ shard, historyId, seq }];
    const session = encodeSession(sessionOf(collection.uid, seen));
    const searchable =
      waiting.waitsForSearchable === true
        ? await this.#searchability.of(collection, seen, waiting)
        : undefined;
    return { id: command.id, shard, written: outcome, session, searchable };
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
  ): Promise<DocumentAnswer> {
    const collection = this.#directory.collection(name);
    checkId(id, this.#limits);
    const number = collection.ring.shardOf(ringKeyOfRead(collection.spec, id, command.shardKey));
    const session = new ReadSession(command.consistency, collection.uid, "/session");
    const asked = { id, include: [...(command.include ?? [])], hasInclude: command.include !== undefined };
    const encode: EncodeAtLevel = (level) => GetRequest.encode({ ...asked, ...level });
    const target = { collection, number };
    const answer = await this.#reader.read(target, ShardCall.get, encode, session, waiting);
    const { found, document, appliedSeq: seq, historyId } = GetResponse.decode(answer.payload);
    if (!found || document === undefined) {
      const less =
        answer.downgrade === undefined ? "" : `, as far as a copy knows: ${answer.downgrade.detail}`;
      throw new Problem("documentNotFound", `${name} has no document ${JSON.stringify(id)}${less}`);
    }
    const downgrades = answer.downgrade === undefined ? [] : [answer.downgrade];
    return {
      document,
      consistency: session.answered(true, downgrades),
      session: session.after([{ shard: number, historyId, seq }]),
    };
  }

  /** Throws Problem when any shard does not answer: a page with a hole would look whole. */
  async scan(
    name: string,
    command: ReadCommand & { readonly cursor: string | undefined; readonly limit: number },
    waiting: Waiting,
  ): Promise<ScanPage> {
    const collection = this.#directory.collection(name);
    const after = command.cursor === undefined ? "" : decodeScanCursor(command.cursor, collection.uid);
    const session = new ReadSession(command.consistency, collection.uid, "/session");
    const encode: EncodeAtLevel = (level) =>
      ScanRequest.encode({
        after,
        limit: command.limit + 1,
        include: [...(command.include ?? [])],
        hasInclude: command.include !== undefined,
        ...level,
      });
    const pages = await Promise.all(
      collection.shards.map(async (_, shard) => {
        const target = { collection, number: shard };
        const answer = await this.#reader.read(target, ShardCall.scan, encode, session, waiting);
        const { documents, appliedSeq: seq, historyId } = ScanResponse.decode(answer.payload);
        return { documents, seen: { shard, historyId, seq }, downgrade: answer.downgrade };
      }),
    );
    const merged = pages.flatMap(({ documents }) => documents).sort((a, b) => compareByteOrder(a.id, b.id));
    let end = Math.min(command.limit, merged.length);
    // With a shard key two shards may have one id: the cursor is the id alone, so both go on one page.
    while (end > 0 && end < merged.length && merged[end]!.id === merged[end - 1]!.id) end += 1;
    const documents = merged.slice(0, end);
    const last = documents.at(-1);
    const cursor =
      end < merged.length && last !== undefined ? encodeScanCursor(last.id, collection.uid) : null;
    const downgrades = pages.flatMap(({ downgrade }) => downgrade ?? []);
    return {
      documents,
      cursor,
      consistency: session.answered(true, downgrades),
      session: session.after(pages.map(({ seen }) => seen)),
    };
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
