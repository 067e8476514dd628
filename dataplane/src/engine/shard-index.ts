/**
 * All of one shard copy's indexes under one roof. A live document is in every engine, and a dead one
 * is found in none: the engines are always asked for live documents only.
 */
import { join } from "node:path";
import type { FieldSpec, TextFieldSpec, VectorFieldSpec } from "@prism/api/collection";
import type { Limits } from "@prism/api/limits";
import type { ShardQuery, ShardQueryResult, TextStatistics } from "../domain/shard-query.js";
import { BinaryReader, writeBinaryFile } from "./binary-file.js";
import type { Bitmap } from "./bitmap.js";
import { ColumnIndex } from "./columns/column-index.js";
import type { IndexStamp, ShardIndex } from "./engine-port.js";
import { IdTable } from "./id-table.js";
import { isSameStamp, readStamp, writeStamp } from "./index-stamp.js";
import type { ParsedDocument } from "./parsed-document.js";
import { findFileSet, saveFileSet } from "./shard-index-files.js";
import { searchShard } from "./shard-search.js";
import { TextIndex } from "./text/text-index.js";
import { VectorFields } from "./vector/vector-fields.js";

const IDS_FILE = "ids.bin";
const IDS_FILE_KIND = "PRSMIDS1";
const TEXT_DIRECTORY = "text";
const VECTOR_DIRECTORY = "vector";

export type ShardIndexLimits = Pick<Limits, "aggregationBuckets">;

interface Engines {
  readonly ids: IdTable;
  readonly live: Bitmap;
  readonly columns: ColumnIndex;
  readonly text: TextIndex;
  readonly vectors: VectorFields;
}

export class LocalShardIndex implements ShardIndex {
  readonly #limits: ShardIndexLimits;
  #fields: readonly FieldSpec[];
  #engines: Engines;
  #vectorsWorkedLast = false;

  constructor(fields: readonly FieldSpec[], limits: ShardIndexLimits) {
    this.#fields = fields;
    this.#limits = limits;
    this.#engines = makeEngines(fields, limits, new IdTable());
  }

  setFields(fields: readonly FieldSpec[]): void {
    this.#fields = fields;
    this.#engines.columns.setFields(fields);
    this.#engines.text.setFields(fields.filter(isText));
    this.#engines.vectors.setFields(fields.filter(isVector));
  }

  /**
   * Numbers must ascend, also after `load` and when an index is built anew.
   * @throws {Problem} changing nothing, when a vector does not fit its field.
   */
  add(doc: number, document: ParsedDocument): void {
    const { vectors, text, columns, ids, live } = this.#engines;
    vectors.add(doc, document);
    text.add(doc, document);
    columns.add(doc, document);
    ids.add(doc, document.id);
    live.add(doc);
  }

  remove(doc: number, document: ParsedDocument): void {
    const { vectors, text, columns, ids, live } = this.#engines;
    vectors.remove(doc);
    text.remove(doc, document);
    columns.remove(doc);
    ids.remove(doc);
    live.remove(doc);
  }

  retain(live: Bitmap): void {
    const engines = this.#engines;
    const gone = engines.live.clone().andNot(live);
    gone.forEach((doc) => {
      engines.columns.remove(doc);
      engines.ids.remove(doc);
    });
    engines.live.andNot(gone);
    engines.text.retain(live);
    engines.vectors.retain(live);
  }

  find(id: string): number | undefined {
    return this.#engines.ids.find(id);
  }

  search(query: ShardQuery, statistics: ReadonlyMap<string, TextStatistics> | undefined): ShardQueryResult {
    return searchShard(this.#engines, query, statistics);
  }

  statistics(field: string, query: string): TextStatistics {
    return this.#engines.text.statistics(field, query);
  }

  /** The engines take turns, so that a long queue in one does not keep the other waiting. */
  work(): boolean {
    const { text, vectors } = this.#engines;
    const [first, second] = this.#vectorsWorkedLast ? [text, vectors] : [vectors, text];
    const hasFirstWorked = first.work();
    this.#vectorsWorkedLast = (hasFirstWorked ? first : second) === vectors;
    return hasFirstWorked || second.work();
  }

  get tail(): number {
    return this.#engines.vectors.tail;
  }

  get documents(): number {
    return this.#engines.ids.size;
  }

  get memoryBytes(): number {
    const { ids, live, columns, text, vectors } = this.#engines;
    const engines = columns.memoryBytes + text.memoryBytes + vectors.memoryBytes;
    return engines + ids.memoryBytes + live.words.byteLength;
  }

  save(directory: string, stamp: IndexStamp): void {
    const { ids, columns, text, vectors } = this.#engines;
    saveFileSet(directory, stamp, (path) => {
      writeBinaryFile(join(path, IDS_FILE), IDS_FILE_KIND, (writer) => {
        writeStamp(writer, stamp);
        ids.write(writer);
      });
      columns.save(path, stamp);
      text.save(join(path, TEXT_DIRECTORY), stamp);
      vectors.save(join(path, VECTOR_DIRECTORY), stamp);
    });
  }

  /** All engines as of one stamp; or undefined and everything empty, so that all documents are added anew. */
  load(directory: string): IndexStamp | undefined {
    this.close();
    const set = findFileSet(directory);
    const loaded = set && loadIds(set.path);
    if (set === undefined || loaded === undefined || !isSameStamp(loaded.stamp, set.stamp)) return undefined;
    const engines = makeEngines(this.#fields, this.#limits, loaded.ids);
    const stamps = [
      engines.columns.load(set.path),
      engines.text.load(join(set.path, TEXT_DIRECTORY)),
      engines.vectors.load(join(set.path, VECTOR_DIRECTORY)),
    ];
    if (!stamps.every((stamp) => stamp !== undefined && isSameStamp(stamp, set.stamp))) {
      closeEngines(engines);
      return undefined;
    }
    this.#engines = engines;
    return set.stamp;
  }

  /** Leaves the index empty. */
  close(): void {
    closeEngines(this.#engines);
    this.#engines = makeEngines(this.#fields, this.#limits, new IdTable());
  }
}

function makeEngines(fields: readonly FieldSpec[], limits: ShardIndexLimits, ids: IdTable): Engines {
  const columns = new ColumnIndex({
    aggregationBuckets: limits.aggregationBuckets,
    findId: (id) => ids.find(id),
  });
  columns.setFields(fields);
  return {
    ids,
    live: ids.toBitmap(),
    columns,
    text: new TextIndex(fields.filter(isText)),
    vectors: new VectorFields(fields.filter(isVector)),
  };
}

function closeEngines({ text, vectors }: Engines): void {
  text.close();
  vectors.close();
}

function loadIds(path: string): { readonly ids: IdTable; readonly stamp: IndexStamp } | undefined {
  try {
    const reader = new BinaryReader(join(path, IDS_FILE), IDS_FILE_KIND);
    const stamp = readStamp(reader);
    const ids = new IdTable();
    ids.read(reader);
    return { ids, stamp };
  } catch {
    // Whatever is wrong with the file, the documents are still there to rebuild it from.
    return undefined;
  }
}

function isText(field: FieldSpec): field is TextFieldSpec {
  return field.type === "text";
}

function isVector(field: FieldSpec): field is VectorFieldSpec {
  return field.type === "vector";
}
