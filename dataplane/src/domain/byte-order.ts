/**
 * Orders strings as their UTF-8 bytes are ordered, which is the order of code points: the order of
 * ids wherever scores tie. JavaScript's own `<` compares UTF-16 units and puts U+E000 to U+FFFF
 * above the surrogate pairs of every later code point; only that range needs moving.
 */
export function compareByteOrder(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i += 1) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? aboveSurrogates(x) - aboveSurrogates(y) : x - y;
  }
  return a.length - b.length;
}

function aboveSurrogates(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}
