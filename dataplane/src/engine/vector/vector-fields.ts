import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "@prism/api/problem-code";
import type { VectorQuery } from "../../domain/shard-query.js";
import type { Bitmap } from "../bitmap.js";
import type { IndexStamp, QueryAnswer, SearchContext, VectorEngine } from "../engine-port.js";
import type { ParsedDocument } from "../parsed-document.js";
import { prepareVector, type VectorField } from "./similarity.js";
import { VectorFieldIndex } from "./vector-field-index.js";
import { readChecked, writeChecked } from "./vector-files.js";

interface Manifest {
  readonly stamp: IndexStamp;
  readonly fields: readonly string[];
}

const MANIFEST = "vector-fields.header";

/** All vector fields of one shard copy. */
export class VectorFields implements VectorEngine {
  readonly #fields = new Map<string, VectorFieldIndex>();

  constructor(fields: readonly VectorField[] = []) {
    this.setFields(fields);
  }

  /** Adds the fields that are new; what a field is never changes, and none goes away. */
  setFields(fields: readonly VectorField[]): void {
    for (const field of fields) {
      if (!this.#fields.has(field.name)) this.#fields.set(field.name, new VectorFieldIndex(field));
    }
  }

  get tail(): number {
    return this.#sum((field) => field.tail);
  }

  get memoryBytes(): number {
    return this.#sum((field) => field.memoryBytes);
  }

  /** Throws Problem, adding to no field, when a vector does not fit its field. */
  add(doc: number, document: ParsedDocument): void {
    const prepared: [VectorFieldIndex, Float32Array][] = [];
    for (const [name, field] of this.#fields) {
      const values = document.vector.get(name);
      if (values !== undefined) prepared.push([field, prepareVector(field.field, values)]);
    }
    for (const [field, vector] of prepared) field.addPrepared(doc, vector);
  }

  remove(doc: number): void {
    for (const field of this.#fields.values()) field.remove(doc);
  }

  retain(live: Bitmap): void {
    for (const field of this.#fields.values()) field.retain(live);
  }

  search(query: VectorQuery, context: SearchContext): QueryAnswer {
    const field = this.#fields.get(query.field);
    if (field === undefined) throw new Problem("unknownField", `There is no vector field ${query.field}.`);
    return field.search(query, context);
  }

  work(): boolean {
    // The longest tail first: it slows its field's searches most.
    const fields = [...this.#fields.values()].sort((a, b) => b.tail - a.tail);
    return fields.some((field) => field.work());
  }

  save(directory: string, stamp: IndexStamp): void {
    mkdirSync(directory, { recursive: true });
    for (const [name, field] of this.#fields) field.save(join(directory, directoryName(name)), stamp);
    writeChecked(directory, MANIFEST, { stamp, fields: [...this.#fields.keys()] } satisfies Manifest);
  }

  /** All saved fields or none: one stamp must hold for them all. A field added since is empty. */
  load(directory: string): IndexStamp | undefined {
    const manifest = readChecked(directory, MANIFEST) as Manifest | undefined;
    const isLoaded = manifest?.fields.every((name) => {
      const stamp = this.#fields.get(name)?.load(join(directory, directoryName(name)));
      return stamp !== undefined && isSame(stamp, manifest.stamp);
    });
    if (manifest !== undefined && isLoaded === true) return manifest.stamp;
    this.close();
    return undefined;
  }

  /** Leaves every field empty. */
  close(): void {
    for (const field of this.#fields.values()) field.close();
  }

  #sum(of: (field: VectorFieldIndex) => number): number {
    let sum = 0;
    for (const field of this.#fields.values()) sum += of(field);
    return sum;
  }
}

function isSame(a: IndexStamp, b: IndexStamp): boolean {
  return a.historyId === b.historyId && a.lastDoc === b.lastDoc && a.seq === b.seq;
}

/** Capitals are escaped too, as some file systems take `A` and `a` for one name. */
function directoryName(field: string): string {
  return `field-${field.replace(/[^a-z0-9_-]/g, (char) => `%${char.codePointAt(0)!.toString(16)}`)}`;
}
