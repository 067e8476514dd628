/** `prism collection create|list|delete`. */
import { parse } from "yaml";
import type { CollectionDefinition, FieldInput } from "@prism/client";
import { connect } from "../connection.js";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { CommandError } from "../exit-code.js";
import { counted, table } from "../terminal.js";
import { readTextFile } from "../text-file.js";

export interface CreateOptions {
  readonly file?: string;
  readonly shards?: number;
  readonly factor?: number;
  readonly shardKey?: string;
  readonly text: readonly string[];
  readonly keyword: readonly string[];
  readonly integer: readonly string[];
  readonly long: readonly string[];
  readonly float: readonly string[];
  readonly boolean: readonly string[];
  readonly date: readonly string[];
  readonly vector: readonly string[];
}

export async function createCollection(
  context: Context,
  name: string,
  options: CreateOptions,
  global: GlobalOptions,
): Promise<void> {
  const definition = await definitionOf(options);
  const client = await connect(global);
  try {
    const spec = await client.createCollection(name, definition);
    if (global.json) return printJson(context, spec);
    const fields = spec.fields.map((field) => `${field.name} (${field.type})`).join(", ");
    print(context, [`collection ${spec.name}: ${counted(spec.shards, "shard")}, fields ${fields}`]);
  } finally {
    await client.close();
  }
}

export async function listCollections(context: Context, global: GlobalOptions): Promise<void> {
  const client = await connect(global);
  try {
    const collections = await client.listCollections();
    if (global.json) return printJson(context, collections);
    if (collections.length === 0)
      return print(context, ["no collections; make one with `prism collection create`"]);
    const rows = collections.map((spec) => [
      spec.name,
      String(spec.shards),
      String(spec.replication.factor),
      spec.fields.map((field) => `${field.name}:${field.type}`).join(" "),
    ]);
    print(context, table([["NAME", "SHARDS", "COPIES", "FIELDS"], ...rows]));
  } finally {
    await client.close();
  }
}

export async function deleteCollection(
  context: Context,
  name: string,
  options: { yes: boolean },
  global: GlobalOptions,
): Promise<void> {
  if (!options.yes) {
    throw new CommandError(`deleting ${name} deletes its documents: say so with --yes`);
  }
  const client = await connect(global);
  try {
    await client.deleteCollection(name);
    if (global.json) return printJson(context, { name, result: "deleted" });
    print(context, [`deleted ${name}`]);
  } finally {
    await client.close();
  }
}

/** From a file (YAML or JSON: the body of PUT /collections/{c}), or from the field options. */
async function definitionOf(options: CreateOptions): Promise<CollectionDefinition> {
  if (options.file !== undefined) return readDefinition(options.file);
  const fields: FieldInput[] = [
    ...options.text.map(textField),
    ...(["keyword", "integer", "long", "float", "boolean", "date"] as const).flatMap((type) =>
      options[type].map((name) => ({ name, type })),
    ),
    ...options.vector.map(vectorField),
  ];
  if (fields.length === 0)
    throw new CommandError("name at least one field, such as --text body or --vector embedding:512");
  return {
    fields,
    ...(options.shards === undefined ? {} : { shards: options.shards }),
    ...(options.factor === undefined ? {} : { replication: { factor: options.factor } }),
    ...(options.shardKey === undefined ? {} : { shardKey: options.shardKey }),
  };
}

async function readDefinition(file: string): Promise<CollectionDefinition> {
  const text = await readTextFile(file);
  try {
    return parse(text) as CollectionDefinition;
  } catch (error) {
    throw new CommandError(`${file}: ${(error as Error).message}`);
  }
}

/** body or body:english */
function textField(option: string): FieldInput {
  const [name, analyzer] = option.split(":");
  // Whether it is an analyzer is for the cluster to say, which knows them.
  return { name, type: "text", ...(analyzer === undefined ? {} : { analyzer }) } as FieldInput;
}

/** embedding:512 or embedding:512:dot */
function vectorField(option: string): FieldInput {
  const [name, dimensions, metric] = option.split(":");
  if (!/^\d+$/.test(dimensions ?? "")) {
    throw new CommandError(`--vector ${option}: write name:dimensions, such as embedding:512`);
  }
  return {
    name,
    type: "vector",
    dimensions: Number(dimensions),
    ...(metric === undefined ? {} : { metric }),
  } as FieldInput;
}
