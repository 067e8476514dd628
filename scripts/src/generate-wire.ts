/**
 * Writes proto/src/gen/node.ts from proto/node.proto: one interface and one codec per message.
 * Every scalar and list is required, so a field that a sender forgets fails to compile.
 */
import protobuf from "protobufjs";

const SCALARS: Readonly<Record<string, string>> = {
  string: "string",
  bytes: "Uint8Array",
  bool: "boolean",
  uint32: "number",
  uint64: "number",
  double: "number",
  float: "number",
};

/** Returns the text of the generated file for the given .proto source. Throws on an unknown scalar type. */
export function generateWire(protoSource: string): string {
  const parsed = protobuf.parse(protoSource, { keepCase: false, alternateCommentMode: true });
  const packageName = parsed.package ?? "";
  const namespace = parsed.root.lookup(packageName) as protobuf.Namespace;
  const messages = namespace.nestedArray.filter((nested) => nested instanceof protobuf.Type);
  const schema = JSON.stringify(parsed.root.toJSON());
  return [
    "// Generated from proto/node.proto by `make generate`. Do not edit.",
    'import { codecsOf, type Codec } from "../codec.js";',
    "",
    ...messages.map(interfaceOf),
    `const codec = codecsOf(JSON.parse(${JSON.stringify(schema)}), ${JSON.stringify(packageName)});`,
    "",
    ...messages.map(
      (message) =>
        `export const ${message.name}: Codec<${message.name}> = codec(${JSON.stringify(message.name)});`,
    ),
    "",
  ].join("\n");
}

function interfaceOf(message: protobuf.Type): string {
  const lines = message.fieldsArray.map((field) => {
    const comment = field.comment === null ? "" : `  /** ${field.comment.replaceAll("\n", " ")} */\n`;
    return `${comment}  ${field.name}${isOptional(field) ? "?" : ""}: ${typeOf(field)};`;
  });
  const header = message.comment === null ? "" : `/** ${message.comment.replaceAll("\n", " ")} */\n`;
  return `${header}export interface ${message.name} {\n${lines.join("\n")}\n}\n`;
}

function isOptional(field: protobuf.Field): boolean {
  return !field.repeated && !field.map && SCALARS[field.type] === undefined;
}

function typeOf(field: protobuf.Field): string {
  const single = SCALARS[field.type] ?? field.type;
  if (field instanceof protobuf.MapField) return `Record<string, ${single}>`;
  return field.repeated ? `${single}[]` : single;
}
