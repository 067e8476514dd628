/** The engine as a map: which document has which number. Searches find nothing; reads go by id. */
import type { IndexStamp, ShardIndex } from "@prism/dataplane/engine/engine-port";
import type { Bitmap } from "@prism/dataplane/engine/bitmap";
import type { ParsedDocument } from "@prism/dataplane/engine/parsed-document";
import { currentProcess } from "../runtime/builtins.js";

interface Saved {
  readonly stamp: IndexStamp;
  readonly numbers: readonly (readonly [id: string, doc: number])[];
}

export class MapIndex implements ShardIndex {
  #numbers = new Map<string, number>();
  readonly tail = 0;
  readonly memoryBytes = 0;

  get documents(): number {
    return this.#numbers.size;
  }

  setFields(): void {
    // Knows no fields.
  }

  add(doc: number, document: ParsedDocument): void {
    this.#numbers.set(document.id, doc);
  }

  remove(doc: number, document: ParsedDocument): void {
    if (this.#numbers.get(document.id) === doc) this.#numbers.delete(document.id);
  }

  find(id: string): number | undefined {
    return this.#numbers.get(id);
  }

  search(): never {
    throw new Error("the simulation searches nothing");
  }

  statistics(): never {
    throw new Error("the simulation searches nothing");
  }

  work(): boolean {
    return false;
  }

  save(directory: string, stamp: IndexStamp): void {
    const saved: Saved = { stamp, numbers: [...this.#numbers] };
    currentProcess()?.files?.put(`${directory}/map-index`, Buffer.from(JSON.stringify(saved)));
  }

  load(directory: string): IndexStamp | undefined {
    const bytes = currentProcess()?.files?.read(`${directory}/map-index`);
    if (bytes === undefined) return undefined;
    const { stamp, numbers } = JSON.parse(Buffer.from(bytes).toString("utf8")) as Saved;
    this.#numbers = new Map(numbers);
    return stamp;
  }

  retain(live: Bitmap): void {
    for (const [id, doc] of this.#numbers) if (!live.has(doc)) this.#numbers.delete(id);
  }

  close(): void {
    this.#numbers.clear();
  }
}
