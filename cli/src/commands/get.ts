/** `prism get`: one document. */
import { connect } from "../connection.js";
import { type Context, print, printJson, type GlobalOptions } from "../context.js";
import { EXIT } from "../exit-code.js";
import { consistencyOf, shortfallOf, type ReadLevelOptions } from "../read-level.js";

export interface GetOptions extends ReadLevelOptions {
  readonly include?: string;
  readonly shardKey?: string;
}

/** @returns the exit code: a document that is not there is no success. */
export async function getDocument(
  context: Context,
  collection: string,
  id: string,
  options: GetOptions,
  global: GlobalOptions,
): Promise<number> {
  const consistency = consistencyOf(options);
  const { include, shardKey } = options;
  const client = await connect(global);
  try {
    const answer = await client.collection(collection).get(id, {
      ...(include === undefined ? {} : { include: include.split(",") }),
      ...(shardKey === undefined ? {} : { shardKey }),
      ...(consistency === undefined ? {} : { consistency }),
    });
    if (answer === undefined) {
      context.stderr.write(`${collection} has no document ${JSON.stringify(id)}\n`);
      return EXIT.failed.code;
    }
    if (global.json) printJson(context, answer);
    else print(context, [JSON.stringify(answer.fields, null, 2)]);
    const shortfall = shortfallOf(answer.consistency);
    if (shortfall !== "") context.stderr.write(`${shortfall}\n`);
    return EXIT.ok.code;
  } finally {
    await client.close();
  }
}
