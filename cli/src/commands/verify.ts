/** `prism verify`: proof that the copies of every shard are the same. */
import type { PrismClient } from "@prism/client";
import {
  worstStatus,
  type ShardVerification,
  type VerifyResponse,
  type VerifyStatus,
} from "@prism/api/verify";
import { connect } from "../connection.js";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { EXIT } from "../exit-code.js";
import { counted, grouped, type Colour, type Paint } from "../terminal.js";

export interface VerifyOptions {
  readonly shards?: readonly number[];
  readonly differences: number;
  /** Seconds, for each shard. */
  readonly timeout: number;
}

const COLOUR: Readonly<Record<VerifyStatus, Colour>> = {
  equal: "green",
  different: "red",
  unavailable: "yellow",
};

/** Returns the exit code: 0 equal, 6 copies differ, 5 not all could be compared. */
export async function verify(
  context: Context,
  collection: string | undefined,
  options: VerifyOptions,
  global: GlobalOptions,
): Promise<number> {
  const client = await connect(global);
  try {
    const names = collection === undefined ? await namesOf(client) : [collection];
    const answers: VerifyResponse[] = [];
    for (const name of names) {
      if (!global.json) print(context, [context.paint("bold", name)]);
      const answer = await client.collection(name).verify({
        ...(options.shards === undefined ? {} : { shards: options.shards }),
        differences: options.differences,
        timeoutMs: options.timeout * 1000,
        // Each as it is there: the whole may take long.
        onShard: (shard) => {
          if (!global.json) print(context, shardLines(shard, context.paint));
        },
      });
      answers.push(answer);
    }
    const status = worstStatus(answers.map((answer) => answer.status));
    if (global.json) printJson(context, { status, collections: answers });
    else {
      const shards = answers.flatMap((answer) => answer.shards).length;
      print(context, [`${context.paint(COLOUR[status], status)}: ${counted(shards, "shard")} compared`]);
    }
    return exitCodeOf(status);
  } finally {
    await client.close();
  }
}

async function namesOf(client: PrismClient): Promise<string[]> {
  return (await client.listCollections()).map((spec) => spec.name);
}

function exitCodeOf(status: VerifyStatus): number {
  switch (status) {
    case "equal":
      return EXIT.ok.code;
    case "different":
      return EXIT.different.code;
    case "unavailable":
      return EXIT.unavailable.code;
  }
}

/** Pure, so that it can be tested. */
export function shardLines(shard: ShardVerification, paint: Paint): string[] {
  const { status, seq, copies, problem } = shard;
  const at = seq === undefined ? "" : ` at seq ${grouped(seq)}`;
  const documents = copies.find((copy) => copy.documents !== undefined)?.documents;
  const held = documents === undefined ? "" : `, ${counted(documents, "document")}`;
  return [
    `  shard ${shard.shard}: ${paint(COLOUR[status], status)}${at}   ${copies.length === 1 ? "1 copy" : `${copies.length} copies`}${held}`,
    ...(problem === undefined ? [] : [`    not compared: ${problem.code}: ${problem.detail}`]),
    ...copies
      .filter((copy) => copy.problem !== undefined)
      .map((copy) => `    ${copy.node} not read: ${copy.problem?.code}: ${copy.problem?.detail}`),
    ...differenceLines(shard),
  ];
}

function differenceLines(shard: ShardVerification): string[] {
  const lines: string[] = [];
  for (const { id, copies } of shard.differences) {
    const held = copies.map(({ node, version, digest, damaged }) =>
      damaged
        ? `${node} damaged`
        : version === null
          ? `${node} none`
          : `${node} ${version} ${digest?.slice(0, 8) ?? ""}`,
    );
    lines.push(`    document ${JSON.stringify(id)}: ${held.join(", ")}`);
  }
  if (shard.moreDifferences) lines.push("    and more documents differ");
  if (!shard.operationsEqual) {
    const held = shard.copies.map(({ node, operations }) => `${node} ${operations ?? "?"}`);
    lines.push(`    the operations remembered for retries differ: ${held.join(", ")}`);
  }
  if (!shard.indexesComplete) {
    const held = shard.copies.map(
      ({ node, documents, indexed }) => `${node} ${indexed ?? "?"} of ${documents ?? "?"}`,
    );
    lines.push(`    indexes lack documents: ${held.join(", ")}`);
  }
  return lines;
}
