/** `prism shard accept-data-loss`: go on with what is left of a shard whose in-sync copies are gone. */
import { createInterface } from "node:readline/promises";
import type { DataLoss, HeldCopy } from "@prism/api/data-loss";
import { connect } from "../connection.js";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { CommandError, EXIT } from "../exit-code.js";
import { counted, duration, grouped, table, type Paint } from "../terminal.js";

export interface AcceptOptions {
  readonly copy?: string;
  /** The shard's name, typed beforehand. */
  readonly yesName?: string;
}

/** @throws {CommandError} when the loss is refused, or the name typed is another. */
export async function acceptDataLoss(
  context: Context,
  shard: string,
  options: AcceptOptions,
  global: GlobalOptions,
): Promise<void> {
  const match = /^([^/]+)\/(\d{1,4})$/.exec(shard);
  if (match === null)
    throw new CommandError(`${shard}: name a shard as <collection>/<number>, such as notes/0`);
  const [, name = "", number = ""] = match;
  const client = await connect(global);
  try {
    const collection = client.collection(name);
    const loss = await collection.dataLoss(Number(number));
    if (!global.json) print(context, lossLines(loss, Date.now(), context.paint));
    if (!loss.acceptable) throw new CommandError(`refused: ${loss.refusal ?? ""}`, EXIT.failed.code);
    const confirm = options.yesName ?? (await typedName(context, loss.shard));
    if (confirm !== loss.shard) {
      throw new CommandError(`nothing was done: ${JSON.stringify(confirm)} is not ${loss.shard}`);
    }
    const copy = options.copy ?? loss.chosen ?? undefined;
    const done = await collection.acceptDataLoss(Number(number), {
      confirm,
      ...(copy === undefined ? {} : { copy }),
    });
    if (global.json) return printJson(context, done);
    print(context, [
      "",
      `${done.shard} goes on with ${done.primary} on ${done.node}, term ${done.term}, history ${done.historyId}`,
      "Other copies are filled from it. Sessions of before are refused with historyLost.",
    ]);
  } finally {
    await client.close();
  }
}

async function typedName(context: Context, shard: string): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new CommandError(`nothing was done: --yes-name ${shard} accepts the loss where nobody can type`);
  }
  const lines = createInterface({ input: process.stdin, output: context.stdout });
  try {
    return (await lines.question(`\nType the shard's name to accept the loss (${shard}): `)).trim();
  } finally {
    lines.close();
  }
}

/** Pure: the same report and time give the same lines. */
export function lossLines(loss: DataLoss, nowMs: number, paint: Paint): string[] {
  const rows = loss.copies.map((copy) => [
    copy.inSync ? "in sync" : copy.id === loss.chosen ? paint("bold", "chosen") : "left",
    copy.id,
    copy.node,
    copy.reachable ? paint("green", copy.condition) : paint("red", copy.condition),
    copy.lastSeq === null ? "never heard" : grouped(copy.lastSeq),
    copy.globalCheckpoint === null ? "" : grouped(copy.globalCheckpoint),
    copy.documents === null ? "" : grouped(copy.documents),
    heardLine(copy, nowMs),
  ]);
  return [
    `${paint("bold", loss.shard)}   term ${loss.term}, history ${loss.historyId}`,
    ...table([["", "COPY", "NODE", "STATE", "LAST SEQ", "CHECKPOINT", "DOCUMENTS", "HEARD"], ...rows], "  "),
    lostLine(loss, paint),
  ];
}

function heardLine(copy: HeldCopy, nowMs: number): string {
  return copy.heardAt === null ? "never" : `${duration(nowMs - copy.heardAt)} ago`;
}

function lostLine({ acceptable, knownLost }: DataLoss, paint: Paint): string {
  if (!acceptable) return "";
  const known =
    knownLost === null
      ? "How much is lost is not known"
      : `At least ${counted(knownLost, "operation")} would be lost`;
  return paint("red", `${known}: every write that only the copies in sync have, acknowledged ones too.`);
}
