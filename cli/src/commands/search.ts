/** `prism search`: text, vector, hybrid or filtered, from options or a whole request as JSON. */
import { readFile } from "node:fs/promises";
import type { Filter } from "@prism/api/search";
import type { SearchResponse } from "@prism/api/search";
import type { QueryInput, SearchInput } from "@prism/client";
import { connect } from "../connection.js";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { CommandError } from "../exit-code.js";
import { grouped } from "../terminal.js";

export interface SearchOptions {
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
  const request =
    options.request === undefined ? requestOf(text, options) : await readRequest(options.request);
  const client = await connect(global);
  try {
    const answer = await client.collection(collection).search(request);
    if (global.json) return printJson(context, answer);
    printAnswer(context, answer);
  } finally {
    await client.close();
  }
}

function requestOf(text: string | undefined, options: SearchOptions): SearchInput {
  const queries: QueryInput[] = [];
  if (text !== undefined) {
    if (options.fields === undefined)
      throw new CommandError("name the text fields to search: --fields title,body");
    queries.push({ text: { query: text, fields: boosts(options.fields) } });
  }
  if (options.vector !== undefined) queries.push({ vector: vectorOf(options.vector) });
  return {
    queries,
    limit: options.limit,
    explain: options.explain,
    ...(options.filter === undefined ? {} : { filter: json(options.filter, "--filter") as Filter }),
    ...(options.include === undefined ? {} : { include: options.include.split(",") }),
  };
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

async function readRequest(file: string): Promise<SearchInput> {
  let text: string;
  try {
    text = await readFile(file === "-" ? "/dev/stdin" : file, "utf8");
  } catch {
    throw new CommandError(`${file}: no such file`);
  }
  return json(text, file) as SearchInput;
}

function printAnswer(context: Context, answer: SearchResponse): void {
  const { paint } = context;
  const relation = answer.total.relation === "eq" ? "" : "at least ";
  const partial = answer.complete
    ? ""
    : paint("yellow", `  partial: ${answer.shards.failed} of ${answer.shards.total} shards missing`);
  const lines = [`${relation}${grouped(answer.total.value)} match, ${answer.tookMs} ms${partial}`];
  for (const [i, hit] of answer.results.entries()) {
    lines.push(`${paint("bold", `${i + 1}. ${hit.id}`)}  ${hit.score.toFixed(4)}`);
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
