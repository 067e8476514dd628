/**
 * Codecs of the messages in node.proto. The schema is embedded as JSON in gen/, so no process looks
 * for a .proto file at run time.
 *
 * Decoded messages are plain objects with every scalar and list present, so they survive a
 * structured clone between threads. Bytes are views of the input: copy what outlives it.
 */
import protobuf from "protobufjs";

// 64-bit integers are read as numbers: all of ours fit in 53 bits, and Long objects would cost an
// allocation per sequence number and be lost in a structured clone.
protobuf.util.Long = null as unknown as typeof protobuf.util.Long;
protobuf.configure();

export interface Codec<T> {
  readonly name: string;
  encode(message: T): Uint8Array;
  /** Throws RangeError or Error on bytes that are not such a message. */
  decode(bytes: Uint8Array): T;
}

const PLAIN: protobuf.IConversionOptions = { longs: Number, defaults: true, arrays: true, objects: true };

/** Builds the codecs of one package from its JSON schema; called once by the generated file. */
export function codecsOf(schema: protobuf.INamespace, packageName: string): <T>(name: string) => Codec<T> {
  const root = protobuf.Root.fromJSON(schema);
  return <T>(name: string): Codec<T> => {
    const type = root.lookupType(`${packageName}.${name}`);
    return {
      name,
      encode: (message) => type.encode(message as protobuf.Message).finish(),
      decode: (bytes) => withoutNulls(type.toObject(type.decode(bytes), PLAIN)) as T,
    };
  };
}

/** Absent sub-messages come back as null; our types say undefined. */
function withoutNulls(message: Record<string, unknown>): Record<string, unknown> {
  for (const key of Object.keys(message)) {
    const value = message[key];
    if (value === null) delete message[key];
    else if (Array.isArray(value)) {
      for (const item of value) {
        if (typeof item === "object" && item !== null && !ArrayBuffer.isView(item)) {
          withoutNulls(item as Record<string, unknown>);
        }
      }
    } else if (typeof value === "object" && !ArrayBuffer.isView(value)) {
      withoutNulls(value as Record<string, unknown>);
    }
  }
  return message;
}
