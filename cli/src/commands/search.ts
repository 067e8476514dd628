/** `prism search`: text, vector, hybrid or filtered, from options or a whole request as JSON. */
import type { Filter, SearchResponse } from "@prism/api/search";
import type { PrismClient, QueryInput, SearchInput, VectorClauseInput } from "@prism/client";
import { connect } from "../connection.js";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { CommandError } from "../exit-code.js";
import { consistencyOf, shortfallOf, type ReadLevelOptions } from "../read-level.js";
import { grouped } from "../terminal.js";
import { readStream, readTextFile } from "../text-file.js";

export interface SearchOptions extends ReadLevelOptions {
  readonly fields?: string;
  readonly vector?: string;
  readonly filter?: string;
  readonly limit: number;
  readonly include?: string;
  readonly request?: string;
  readonly explain: boolean;
}

const FIELD_WIDTH = 100;

export async function search(
  context: Context,
  collection: string,
  text: string | undefined,
  options: SearchOptions,
  global: GlobalOptions,
): Promise<void> {
  const consistency = consistencyOf(options);
  const given = options.request === undefined ? undefined : await readRequest(context, options.request);
  const parts = given === undefined ? partsOf(options) : undefined;
  const client = await connect(global);
  try {
    const request = given ?? (await requestOf(client, collection, text, options, parts ?? {}));
    const level = consistency === undefined ? {} : { consistency };
    const answer = await client.collection(collection).search({ ...request, ...level });
    if (global.json) return printJson(context, answer);
    printAnswer(context, answer);
  } finally {
    await client.close();
  }
}

/** What needs no cluster to be understood, so that a mistake in it is told first. */
interface RequestParts {
  readonly fields?: Readonly<Record<string, number>>;
  readonly vector?: VectorClauseInput;
  readonly filter?: Filter;
}

function partsOf({ fields, vector, filter }: SearchOptions): RequestParts {
  return {
    ...(fields === undefined ? {} : { fields: boosts(fields) }),
    ...(vector === undefined ? {} : { vector: vectorOf(vector) }),
    ...(filter === undefined ? {} : { filter: json(filter, "--filter") as Filter }),
  };
}

async function requestOf(
  client: PrismClient,
  collection: string,
  text: string | undefined,
  options: SearchOptions,
  { fields, vector, filter }: RequestParts,
): Promise<SearchInput> {
  const queries: QueryInput[] = [];
  if (text !== undefined)
    queries.push({ text: { query: text, fields: fields ?? (await textFields(client, collection)) } });
  if (vector !== undefined) queries.push({ vector });
  return {
    queries,
    limit: options.limit,
    explain: options.explain,
    ...(filter === undefined ? {} : { filter }),
    ...(options.include === undefined ? {} : { include: options.include.split(",") }),
  };
}

/** Without --fields a text is looked for in all text fields. */
async function textFields(client: PrismClient, collection: string): Promise<string[]> {
  const { fields } = await client.collection(collection).describe();
  const names = fields.filter((field) => field.type === "text").map((field) => field.name);
  if (names.length > 0) return names;
  throw new CommandError(`${collection} has no text field to look in`);
}

/** title^2,body -> {title: 2, body: 1} */
function boosts(fields: string): Record<string, number> {
  return Object.fromEntries(
    fields.split(",").map((field) => {
      const [name, boost] = field.split("^");
      const value = boost === undefined ? 1 : Number(boost);
      if (!(value > 0)) throw new CommandError(`--fields ${field}: the boost must be a number above 0`);
      return [name, value];
    }),
  );
}

/** embedding=[0.1,0.2] */
function vectorOf(option: string): { field: string; values: number[] } {
  const at = option.indexOf("=");
  if (at < 1) throw new CommandError("--vector: write field=[numbers], such as embedding=[0.1,0.2]");
  return { field: option.slice(0, at), values: json(option.slice(at + 1), "--vector") as number[] };
}

function json(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new CommandError(`${what}: ${(error as Error).message}`);
  }
}

async function readRequest(context: Context, file: string): Promise<SearchInput> {
  const text = file === "-" ? await readStream(context.stdin) : await readTextFile(file);
  return json(text, file === "-" ? "standard input" : file) as SearchInput;
}

function printAnswer(context: Context, answer: SearchResponse): void {
  const { paint } = context;
  const relation = answer.total.relation === "eq" ? "" : "at least ";
  const partial = answer.complete
    ? ""
    : paint("yellow", `  partial: ${answer.shards.failed} of ${answer.shards.total} shards missing`);
  const shortfall = shortfallOf(answer.consistency);
  const level = shortfall === "" ? "" : paint("yellow", `  ${shortfall}`);
  const lines = [`${relation}${grouped(answer.total.value)} match, ${answer.tookMs} ms${partial}${level}`];
  for (const [i, hit] of answer.results.entries()) {
    lines.push(`${paint("bold", `${i + 1}. ${hit.id}`)}  ${Number(hit.score.toPrecision(4))}`);
    for (const [name, value] of Object.entries(hit.fields ?? {}))
      lines.push(`   ${paint("grey", `${name}:`)} ${shortened(value)}`);
  }
  for (const [name, result] of Object.entries(answer.aggregations ?? {}))
    lines.push(`${name}: ${JSON.stringify(result)}`);
  print(context, lines);
}

function shortened(value: unknown): string {
  const text = typeof value === "string" ? value.replaceAll(/\s+/g, " ") : JSON.stringify(value);
  return text.length <= FIELD_WIDTH ? text : `${text.slice(0, FIELD_WIDTH - 1)}…`;
}
