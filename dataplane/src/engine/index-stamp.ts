/** An index file's stamp in its binary form. */
import type { BinaryReader, BinaryWriter } from "./binary-file.js";
import type { IndexStamp } from "./engine-port.js";

/** Sequence numbers pass 32 bits, so numbers stand as doubles. */
export function writeStamp(writer: BinaryWriter, { historyId, lastDoc, seq }: IndexStamp): void {
  writer.string(historyId);
  writer.array(Float64Array.of(lastDoc, seq));
}

export function readStamp(reader: BinaryReader): IndexStamp {
  const historyId = reader.string();
  const [lastDoc = 0, seq = 0] = reader.float64Array();
  return { historyId, lastDoc, seq };
}

export function isSameStamp(a: IndexStamp, b: IndexStamp): boolean {
  return a.historyId === b.historyId && a.lastDoc === b.lastDoc && a.seq === b.seq;
}
