/** 4 KiB per page: documents come and go in order of number, so whole pages empty out. */
const PAGE_BITS = 10;
const PAGE_SIZE = 1 << PAGE_BITS;

interface Page {
  /** Slot + 1; 0 for none. */
  readonly entries: Uint32Array;
  used: number;
}

/**
 * Slots by document number. Numbers ascend and never come back, so a flat array would grow for ever
 * under updates; pages without an entry are dropped.
 */
export class DocumentSlots {
  readonly #pages = new Map<number, Page>();

  /** -1 when the document is not here. */
  get(doc: number): number {
    const page = this.#pages.get(doc >>> PAGE_BITS);
    return page === undefined ? -1 : page.entries[doc & (PAGE_SIZE - 1)]! - 1;
  }

  set(doc: number, slot: number): void {
    const number = doc >>> PAGE_BITS;
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = { entries: new Uint32Array(PAGE_SIZE), used: 0 };
      this.#pages.set(number, page);
    }
    const entry = doc & (PAGE_SIZE - 1);
    if (page.entries[entry] === 0) page.used += 1;
    page.entries[entry] = slot + 1;
  }

  delete(doc: number): void {
    const number = doc >>> PAGE_BITS;
    const page = this.#pages.get(number);
    const entry = doc & (PAGE_SIZE - 1);
    if (page === undefined || page.entries[entry] === 0) return;
    page.entries[entry] = 0;
    page.used -= 1;
    if (page.used === 0) this.#pages.delete(number);
  }

  get memoryBytes(): number {
    return this.#pages.size * PAGE_SIZE * 4;
  }
}
