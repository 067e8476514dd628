/** From the global options to a client: --endpoint, PRISM_ENDPOINT, or the local cluster of --data. */
import { PrismClient } from "@prism/client";
import { CommandError, EXIT } from "./exit-code.js";
import { readOperator, readStatus } from "./local-directory.js";

export interface ConnectionOptions {
  readonly endpoint?: readonly string[];
  readonly data: string;
  readonly apiKey?: string;
}

/** @throws {CommandError} when there is no endpoint to be found. */
export async function endpointsOf(options: ConnectionOptions): Promise<readonly string[]> {
  if (options.endpoint !== undefined && options.endpoint.length > 0) return options.endpoint;
  const operator = await readOperator(options.data);
  const status = operator === undefined ? undefined : await readStatus(operator);
  const urls = status?.nodes.map((node) => node.httpUrl).filter((url) => url !== "") ?? [];
  if (urls.length > 0) return urls;
  throw new CommandError(
    `no cluster runs in ${options.data}: start one with \`prism up\`, or name a node with --endpoint http://host:3080`,
    EXIT.unreachable.code,
  );
}

export async function connect(options: ConnectionOptions): Promise<PrismClient> {
  const endpoints = await endpointsOf(options);
  try {
    return new PrismClient({
      endpoints,
      ...(options.apiKey === undefined ? {} : { apiKey: options.apiKey }),
    });
  } catch (error) {
    throw error instanceof TypeError ? new CommandError(error.message) : error;
  }
}
