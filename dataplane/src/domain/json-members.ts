/**
 * Finds the members of a JSON object in its UTF-8 bytes without parsing their values: the network
 * thread reads a document's id or shard key this way and leaves the rest to the worker. It follows
 * strings and nesting alone, so a range may hold malformed JSON, which its reader finds out; but
 * every range of a well-formed object is exact.
 */
export interface JsonRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** A byte order mark is kept: it is part of a key like any other character. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Ranges of the values by key; of equal keys the last, as JSON.parse has it. Undefined when the
 * bytes are no object. Keys are unescaped.
 */
export function findMembers(bytes: Uint8Array): Map<string, JsonRange> | undefined {
  const members = new Map<string, JsonRange>();
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== OPEN_OBJECT) return undefined;
  at = skipSpace(bytes, at + 1);
  if (bytes[at] === CLOSE_OBJECT) return endsAfter(bytes, at) ? members : undefined;
  for (;;) {
    if (bytes[at] !== QUOTE) return undefined;
    const keyEnd = skipString(bytes, at);
    const key = keyEnd === undefined ? undefined : parseKey(bytes.subarray(at, keyEnd));
    if (keyEnd === undefined || key === undefined) return undefined;
    at = skipSpace(bytes, keyEnd);
    if (bytes[at] !== COLON) return undefined;
    const start = skipSpace(bytes, at + 1);
    const end = skipValue(bytes, start);
    if (end === undefined || end === start) return undefined;
    members.set(key, { start, end });
    at = skipSpace(bytes, end);
    if (bytes[at] === CLOSE_OBJECT) return endsAfter(bytes, at) ? members : undefined;
    if (bytes[at] !== COMMA) return undefined;
    at = skipSpace(bytes, at + 1);
  }
}

function endsAfter(bytes: Uint8Array, at: number): boolean {
  return skipSpace(bytes, at + 1) === bytes.length;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at += 1;
  return at;
}

/** From the opening quote to behind the closing one. */
function skipString(bytes: Uint8Array, from: number): number | undefined {
  let at = from;
  for (;;) {
    at = bytes.indexOf(QUOTE, at + 1);
    if (at === -1) return undefined;
    let backslashes = 0;
    while (bytes[at - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at + 1;
  }
}

function skipValue(bytes: Uint8Array, from: number): number | undefined {
  const first = bytes[from];
  if (first === QUOTE) return skipString(bytes, from);
  if (first === OPEN_OBJECT || first === OPEN_LIST) return skipNested(bytes, from);
  let at = from;
  while (at < bytes.length && !isDelimiter(bytes[at]!)) at += 1;
  return at;
}

function isDelimiter(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_LIST || isSpace(byte);
}

/**
 * From the opening brace or bracket to behind its partner, following strings and nesting alone. Undefined when
 * there is no partner.
 */
export function skipNested(bytes: Uint8Array, from: number): number | undefined {
  let depth = 0;
  for (let at = from; at < bytes.length;) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      const end = skipString(bytes, at);
      if (end === undefined) return undefined;
      at = end;
      continue;
    }
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth += 1;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth -= 1;
    at += 1;
    if (depth === 0) return at;
  }
  return undefined;
}

function parseKey(quoted: Uint8Array): string | undefined {
  if (isPlain(quoted)) return utf8.decode(quoted.subarray(1, -1));
  try {
    const key: unknown = JSON.parse(utf8.decode(quoted));
    return typeof key === "string" ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Nothing escaped, and nothing that would have to be. */
function isPlain(quoted: Uint8Array): boolean {
  for (let at = 1; at < quoted.length - 1; at += 1) {
    if (quoted[at] === BACKSLASH || quoted[at]! < 0x20) return false;
  }
  return true;
}
