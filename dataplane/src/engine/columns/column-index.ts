/**
 * The values of a shard copy's filterable and aggregatable fields by document number, and which
 * documents have each of the others. Fields that it does not know, a newer map's perhaps, have no values.
 */
import { join } from "node:path";
import { ID_FIELD, type FieldSpec } from "@prism/api/field";
import type { AggregationRequest, PartialAggregation } from "../../domain/aggregation.js";
import type { Filter } from "../../domain/shard-query.js";
import { BinaryReader, DamagedFile, writeBinaryFile } from "../binary-file.js";
import { Bitmap } from "../bitmap.js";
import type { ColumnEngine, IndexStamp } from "../engine-port.js";
import { readStamp, writeStamp } from "../index-stamp.js";
import type { ParsedDocument } from "../parsed-document.js";
import {
  EMPTY_HISTOGRAM,
  EMPTY_STATS,
  EMPTY_TERMS,
  histogramOfNumbers,
  statsOfNumbers,
  termsOfKeywords,
  termsOfNumbers,
} from "./column-aggregation.js";
import { toFilterNode, type ValueTest } from "./column-filter.js";
import { FilterCache } from "./filter-cache.js";
import { KeywordColumn } from "./keyword-column.js";
import { NumericColumn } from "./numeric-column.js";
import { PresenceColumn } from "./presence-column.js";

const FILE = "columns.bin";
const FILE_KIND = "PRSMCOL1";

type FieldColumn =
  | { readonly kind: "keyword"; readonly type: FieldSpec["type"]; readonly values: KeywordColumn }
  | { readonly kind: "numeric"; readonly type: FieldSpec["type"]; readonly values: NumericColumn }
  | { readonly kind: "presence"; readonly type: FieldSpec["type"]; readonly values: PresenceColumn };

export interface ColumnIndexOptions {
  /** limits.aggregationBuckets */
  readonly aggregationBuckets: number;
  /** The document number of a live id: `id` is no column. */
  readonly findId: (id: string) => number | undefined;
}

export class ColumnIndex implements ColumnEngine {
  readonly #options: ColumnIndexOptions;
  #columns = new Map<string, FieldColumn>();
  readonly #cache = new FilterCache();

  constructor(options: ColumnIndexOptions) {
    this.#options = options;
  }

  /** Makes columns for the fields that have none yet. */
  setFields(fields: readonly FieldSpec[]): void {
    for (const field of fields) {
      if (!this.#columns.has(field.name)) this.#columns.set(field.name, newColumn(field.type));
    }
    this.#cache.clear();
  }

  add(doc: number, document: ParsedDocument): void {
    this.#cache.clear();
    for (const [name, values] of document.keyword) {
      const column = this.#columns.get(name);
      if (column?.kind === "keyword") column.values.add(doc, values);
    }
    for (const [name, values] of document.numeric) {
      const column = this.#columns.get(name);
      if (column?.kind === "numeric") column.values.add(doc, values);
    }
    for (const name of [...document.text.keys(), ...document.vector.keys()]) {
      const column = this.#columns.get(name);
      if (column?.kind === "presence") column.values.add(doc);
    }
  }

  remove(doc: number): void {
    this.#cache.clear();
    for (const column of this.#columns.values()) column.values.remove(doc);
  }

  filter(filter: Filter, live: Bitmap): Bitmap {
    return this.#pass(filter, live).and(live);
  }

  aggregate(request: AggregationRequest, matches: Bitmap): PartialAggregation {
    const column = this.#columns.get(request.field);
    const bucketsMax = this.#options.aggregationBuckets;
    switch (request.kind) {
      case "terms":
        if (column?.kind === "keyword") return termsOfKeywords(column.values, matches, bucketsMax);
        if (column?.kind !== "numeric") return EMPTY_TERMS;
        return termsOfNumbers(column.values, matches, bucketsMax, (value) =>
          column.type === "boolean" ? value === 1 : value,
        );
      case "histogram":
        if (column?.kind !== "numeric") return EMPTY_HISTOGRAM;
        return histogramOfNumbers(column.values, matches, request, bucketsMax);
      case "stats":
        return column?.kind === "numeric" ? statsOfNumbers(column.values, matches) : EMPTY_STATS;
    }
  }

  get memoryBytes(): number {
    let bytes = this.#cache.memoryBytes;
    for (const column of this.#columns.values()) bytes += column.values.memoryBytes;
    return bytes;
  }

  save(directory: string, stamp: IndexStamp): void {
    writeBinaryFile(join(directory, FILE), FILE_KIND, (writer) => {
      writeStamp(writer, stamp);
      writer.uint32(this.#columns.size);
      for (const [name, column] of this.#columns) {
        writer.string(name);
        writer.string(column.type);
        column.values.write(writer);
      }
    });
  }

  /** Undefined, leaving the columns empty, when the file is missing, damaged or of other fields. */
  load(directory: string): IndexStamp | undefined {
    const known = this.#columns;
    try {
      const reader = new BinaryReader(join(directory, FILE), FILE_KIND);
      const stamp = readStamp(reader);
      const loaded = new Map<string, FieldColumn>();
      for (let left = reader.uint32(); left > 0; left -= 1) {
        const name = reader.string();
        const type = reader.string();
        const column = newColumn(known.get(name)?.type ?? "text");
        if (column.type !== type || !known.has(name))
          throw new DamagedFile(directory, `no ${type} field ${name}`);
        column.values.read(reader);
        loaded.set(name, column);
      }
      this.#columns = loaded;
      return stamp;
    } catch {
      // Whatever is wrong with the file, the documents are still there to rebuild it from.
      this.#columns = new Map();
      return undefined;
    } finally {
      for (const [name, { type }] of known) {
        if (!this.#columns.has(name)) this.#columns.set(name, newColumn(type));
      }
      this.#cache.clear();
    }
  }

  /** May hold dead documents, for the caller to leave out: a new bitmap, which the caller owns. */
  #pass(filter: Filter, live: Bitmap): Bitmap {
    const node = toFilterNode(filter);
    switch (node.kind) {
      case "and": {
        const passed = live.clone();
        for (const part of node.parts) passed.and(this.#pass(part, live));
        return passed;
      }
      case "or": {
        const passed = new Bitmap();
        for (const part of node.parts) passed.or(this.#pass(part, live));
        return passed;
      }
      case "not":
        return live.clone().andNot(this.#pass(node.part, live));
      case "test":
        if (node.test.field === ID_FIELD) return this.#testId(node.test);
        return this.#cache.getOrCompute(node.test, () => this.#test(node.test)).clone();
    }
  }

  #test(test: ValueTest): Bitmap {
    const column = this.#columns.get(test.field);
    if (column === undefined) return new Bitmap();
    if ("exists" in test) return column.values.exists();
    if (column.kind === "presence") return new Bitmap();
    if ("equals" in test) return column.values.equals(test.equals);
    if ("in" in test) return column.values.in(test.in);
    return column.values.range(test);
  }

  #testId(test: ValueTest): Bitmap {
    const ids = "equals" in test ? [test.equals] : "in" in test ? test.in : [];
    const passed = new Bitmap();
    for (const id of ids) {
      const doc = typeof id === "string" ? this.#options.findId(id) : undefined;
      if (doc !== undefined) passed.add(doc);
    }
    return passed;
  }
}

function newColumn(type: FieldSpec["type"]): FieldColumn {
  switch (type) {
    case "keyword":
      return { kind: "keyword", type, values: new KeywordColumn() };
    case "integer":
    case "long":
    case "float":
    case "boolean":
    case "date":
      return { kind: "numeric", type, values: new NumericColumn() };
    case "text":
    case "vector":
      return { kind: "presence", type, values: new PresenceColumn() };
  }
}
