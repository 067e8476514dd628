/**
 * The inner loops over one chunk of 4,096 documents: a chunk's place in a bitmap is 128 whole words, so
 * a loop builds each word in a register. `words` is the bitmap's, `at` the chunk's first word.
 */
export const CHUNK_BITS = 12;
export const CHUNK_SIZE = 1 << CHUNK_BITS;
export const CHUNK_WORDS = CHUNK_SIZE >>> 5;

export type ColumnArray = Float64Array | Uint32Array;

export function visitDense(
  values: ColumnArray,
  words: Uint32Array,
  at: number,
  empty: number,
  visit: (value: number, previous: number) => void,
): void {
  const shared = Math.min(CHUNK_WORDS, words.length - at);
  for (let w = 0; w < shared; w += 1) {
    const start = w << 5;
    for (let word = words[at + w]!; word !== 0; word &= word - 1) {
      const value = values[start + 31 - Math.clz32(word & -word)]!;
      if (value === value && value !== empty) visit(value, empty);
    }
  }
}

/** Apart for each kind of array: one loop for both would run at half the speed. */
export function rangeOfDense(
  values: ColumnArray,
  low: number,
  high: number,
  words: Uint32Array,
  at: number,
): void {
  if (values instanceof Float64Array) rangeOfNumbers(values, low, high, words, at);
  else rangeOfOrdinals(values, low, high, words, at);
}

function rangeOfNumbers(
  values: Float64Array,
  low: number,
  high: number,
  words: Uint32Array,
  at: number,
): void {
  for (let w = 0; w < CHUNK_WORDS; w += 1) {
    let word = 0;
    const start = w << 5;
    for (let bit = 0; bit < 32; bit += 1) {
      const value = values[start + bit]!;
      if (value >= low && value <= high) word |= 1 << bit;
    }
    words[at + w] = word;
  }
}

function rangeOfOrdinals(
  values: Uint32Array,
  low: number,
  high: number,
  words: Uint32Array,
  at: number,
): void {
  for (let w = 0; w < CHUNK_WORDS; w += 1) {
    let word = 0;
    const start = w << 5;
    for (let bit = 0; bit < 32; bit += 1) {
      const value = values[start + bit]!;
      if (value >= low && value <= high) word |= 1 << bit;
    }
    words[at + w] = word;
  }
}

export function flagsOfDense(ordinals: ColumnArray, flags: Uint8Array, words: Uint32Array, at: number): void {
  for (let w = 0; w < CHUNK_WORDS; w += 1) {
    let word = 0;
    const start = w << 5;
    for (let bit = 0; bit < 32; bit += 1) word |= flags[ordinals[start + bit]!]! << bit;
    words[at + w] = word;
  }
}

/** Where `offset` stands in the ascending `offsets` of a packed chunk, or -1. */
export function placeOf(offsets: Uint16Array, offset: number): number {
  let low = 0;
  let high = offsets.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = offsets[middle]!;
    if (found === offset) return middle;
    if (found < offset) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
