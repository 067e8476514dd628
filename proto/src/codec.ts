/**
 * Codecs of the messages in node.proto. The schema is embedded as JSON in gen/, so no process looks
 * for a .proto file at run time; what each field does is worked out once, when the codec is built.
 *
 * Decoded messages are plain objects with every scalar and list present, so they survive a
 * structured clone between threads. Bytes are views of the input: copy what outlives it.
 * 64-bit integers are plain numbers: all of ours fit in 53 bits.
 */
import { WireReader } from "./wire-reader.js";
import { WireWriter } from "./wire-writer.js";

export interface Codec<T> {
  readonly name: string;
  /** The bytes have a buffer of their own. Throws RangeError on a number that is negative or none. */
  encode(message: T): Uint8Array;
  /** Throws RangeError or Error on bytes that are not such a message. */
  decode(bytes: Uint8Array): T;
}

export interface FieldSchema {
  readonly type: string;
  readonly id: number;
  readonly rule?: string;
  readonly keyType?: string;
}

/** What protobufjs calls a namespace in JSON, as far as codecs need it. */
export interface Schema {
  readonly nested?: Readonly<Record<string, Schema>>;
  readonly fields?: Readonly<Record<string, FieldSchema>>;
}

type Message = Record<string, unknown>;
type Write = (writer: WireWriter, value: unknown) => void;
type Read = (reader: WireReader, limit: number) => unknown;

const WIRE_VARINT = 0;
const WIRE_LENGTH = 2;
const NOTHING = new Uint8Array(0);

interface Kind {
  readonly wireType: number;
  readonly absent: unknown;
  readonly write: Write;
  readonly read: Read;
}

const SCALARS: Readonly<Record<string, Kind>> = {
  string: {
    wireType: WIRE_LENGTH,
    absent: "",
    write: (writer, value) => writer.string(value as string),
    read: (reader, limit) => reader.string(limit),
  },
  bytes: {
    wireType: WIRE_LENGTH,
    absent: NOTHING,
    write: (writer, value) => writer.bytes(value as Uint8Array),
    read: (reader, limit) => reader.bytes(limit),
  },
  bool: {
    wireType: WIRE_VARINT,
    absent: false,
    write: (writer, value) => writer.varint(value === true ? 1 : 0),
    read: (reader) => reader.varint() !== 0,
  },
  uint32: numberKind(),
  uint64: numberKind(),
};

function numberKind(): Kind {
  return {
    wireType: WIRE_VARINT,
    absent: 0,
    write: (writer, value) => writer.varint(value as number),
    read: (reader) => reader.varint(),
  };
}

interface Field {
  readonly name: string;
  readonly tag: number;
  readonly kind: Kind;
  readonly form: "single" | "list" | "packed" | "map";
}

/** Builds the codecs of one package from its JSON schema; called once by the generated file. */
export function codecsOf(schema: Schema, packageName: string): <T>(name: string) => Codec<T> {
  let namespace: Schema | undefined = schema;
  for (const part of packageName.split(".")) namespace = namespace?.nested?.[part];
  const types = new Map<string, MessageType>();
  for (const name of Object.keys(namespace?.nested ?? {})) types.set(name, new MessageType());
  for (const [name, type] of types) type.setFields(namespace!.nested![name]!.fields ?? {}, types);
  return <T>(name: string): Codec<T> => {
    const type = types.get(name);
    if (type === undefined) throw new TypeError(`the schema has no message ${name}`);
    return {
      name,
      encode: (message) => type.encode(message as Message),
      decode: (bytes) => type.decode(bytes) as T,
    };
  };
}

/** Of this thread; encoding does not wait, so one is enough. */
const writer = new WireWriter();

class MessageType {
  #fields: readonly Field[] = [];
  #byNumber: readonly (Field | undefined)[] = [];
  #lists: readonly string[] = [];
  #maps: readonly string[] = [];
  #blank: Message = {};

  setFields(fields: Readonly<Record<string, FieldSchema>>, types: ReadonlyMap<string, MessageType>): void {
    this.#fields = Object.entries(fields).map(([name, field]) => fieldOf(name, field, types));
    const byNumber: (Field | undefined)[] = [];
    for (const field of this.#fields) byNumber[field.tag >>> 3] = field;
    this.#byNumber = Array.from(byNumber);
    const named = (...forms: Field["form"][]): string[] =>
      this.#fields.filter(({ form }) => forms.includes(form)).map(({ name }) => name);
    this.#lists = named("list", "packed");
    this.#maps = named("map");
    const blank: Message = {};
    for (const { name, form, kind } of this.#fields) {
      if (form !== "single") blank[name] = undefined;
      else if (kind.absent !== undefined) blank[name] = kind.absent;
    }
    this.#blank = blank;
  }

  encode(message: Message): Uint8Array {
    try {
      this.write(writer, message);
      return writer.finish();
    } finally {
      writer.reset();
    }
  }

  decode(bytes: Uint8Array): Message {
    const reader = new WireReader(bytes);
    return this.read(reader, reader.end);
  }

  write(out: WireWriter, message: Message): void {
    for (const field of this.#fields) {
      const value = message[field.name];
      if (value === undefined || value === null) continue;
      if (field.form === "single") {
        // As proto3 has it: what is absent is read as the default.
        if (value === field.kind.absent || (value instanceof Uint8Array && value.length === 0)) continue;
        out.varint(field.tag);
        field.kind.write(out, value);
      } else writeMany(out, field, value);
    }
  }

  /** Our messages do not contain themselves, so the schema bounds how deep this goes. */
  read(reader: WireReader, limit: number): Message {
    const message = { ...this.#blank };
    for (const name of this.#lists) message[name] = [];
    for (const name of this.#maps) message[name] = {};
    while (reader.at < limit) {
      const tag = reader.varint();
      const field = this.#byNumber[Math.floor(tag / 8)];
      if (field === undefined) {
        reader.skip(tag % 8, limit);
        continue;
      }
      const { name, kind, form } = field;
      if (tag % 8 === kind.wireType && form === "single") message[name] = kind.read(reader, limit);
      else readMany(reader, limit, field, tag % 8, message);
    }
    if (reader.at > limit) throw new RangeError("a field of the message is longer than the message");
    return message;
  }
}

function fieldOf(name: string, field: FieldSchema, types: ReadonlyMap<string, MessageType>): Field {
  const kind = kindOf(field.type, types);
  if (field.keyType !== undefined) {
    if (field.keyType !== "string") throw new TypeError(`${name}: only maps by string are known`);
    return { name, kind, form: "map", tag: field.id * 8 + WIRE_LENGTH };
  }
  if (field.rule !== "repeated") return { name, kind, form: "single", tag: field.id * 8 + kind.wireType };
  const isPacked = kind.wireType === WIRE_VARINT;
  return { name, kind, form: isPacked ? "packed" : "list", tag: field.id * 8 + WIRE_LENGTH };
}

function kindOf(type: string, types: ReadonlyMap<string, MessageType>): Kind {
  const scalar = SCALARS[type];
  if (scalar !== undefined) return scalar;
  const nested = types.get(type);
  if (nested === undefined) throw new TypeError(`the type ${type} is not known`);
  return {
    wireType: WIRE_LENGTH,
    absent: undefined,
    write: (out, value) => {
      const start = out.begin();
      nested.write(out, value as Message);
      out.end(start);
    },
    read: (reader, limit) => nested.read(reader, reader.lengthEnd(limit)),
  };
}

function writeMany(out: WireWriter, { form, kind, tag }: Field, value: unknown): void {
  if (form === "map") {
    for (const [key, one] of Object.entries(value as Message)) {
      out.varint(tag);
      const start = out.begin();
      out.varint(8 + WIRE_LENGTH);
      out.string(key);
      out.varint(16 + kind.wireType);
      kind.write(out, one);
      out.end(start);
    }
    return;
  }
  const list = value as readonly unknown[];
  if (form === "packed") {
    if (list.length === 0) return;
    out.varint(tag);
    const start = out.begin();
    for (const one of list) kind.write(out, one);
    out.end(start);
    return;
  }
  for (const one of list) {
    out.varint(tag);
    kind.write(out, one);
  }
}

function readMany(
  reader: WireReader,
  limit: number,
  { form, kind, name }: Field,
  wireType: number,
  message: Message,
): void {
  if (form === "map" && wireType === WIRE_LENGTH) {
    readMapEntry(reader, reader.lengthEnd(limit), kind, message[name] as Message);
  } else if (form === "list" && wireType === WIRE_LENGTH) {
    (message[name] as unknown[]).push(kind.read(reader, limit));
  } else if (form === "packed" && wireType === WIRE_LENGTH) {
    const end = reader.lengthEnd(limit);
    while (reader.at < end) (message[name] as unknown[]).push(kind.read(reader, end));
  } else if (form === "packed" && wireType === WIRE_VARINT) {
    (message[name] as unknown[]).push(kind.read(reader, limit));
  } else {
    // Of another type than the schema says: passed over like a field that is not known.
    reader.skip(wireType, limit);
  }
}

function readMapEntry(reader: WireReader, end: number, kind: Kind, map: Message): void {
  let key = "";
  let value = kind.absent;
  while (reader.at < end) {
    const tag = reader.varint();
    if (tag === 8 + WIRE_LENGTH) key = reader.string(end);
    else if (tag === 16 + kind.wireType) value = kind.read(reader, end);
    else reader.skip(tag % 8, end);
  }
  // Assigning __proto__ would set the prototype and lose the entry.
  Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
}
