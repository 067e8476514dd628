/** Where a node listens, and what it tells others to dial. */
import { hostname } from "node:os";
import { ExitCode, StartError } from "./adapters/files/start-error.js";
import { formatHostPort, type HostPort } from "./config.js";

/** host:port of each of the node's servers as others reach it; "" before it listens. */
export interface ListeningAddresses {
  readonly http: string;
  readonly peer: string;
  readonly admin: string;
}

/** @throws {StartError} that names the setting when the server could not listen. */
export async function bound<T>(setting: string, address: HostPort, server: Promise<T>): Promise<T> {
  try {
    return await server;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StartError(
      ExitCode.settings,
      `${setting} ${formatHostPort(address)}: can't listen there: ${why}. Free the port or set another.`,
    );
  }
}

/** A host that listens everywhere is reached by the name of the machine, unless told otherwise. */
export function advertise(address: HostPort, port: number, advertiseHost: string): string {
  const isEverywhere = address.host === "0.0.0.0" || address.host === "::";
  const host = advertiseHost !== "" ? advertiseHost : isEverywhere ? hostname() : address.host;
  return formatHostPort({ host, port });
}

export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

export function urlOf(address: string): string {
  return address === "" ? "" : `http://${address}`;
}
