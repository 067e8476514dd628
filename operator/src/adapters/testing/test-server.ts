/** What files of tests on a real API server begin and end with. */
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { afterAll, afterEach, beforeAll } from "vitest";
import { connectToTestServer, installKinds } from "./kube-home.js";

export interface TestServer {
  /** As administrator. */
  readonly client: ApiClient;
  /** Done after the test, the last one first. */
  readonly cleanups: (() => Promise<void>)[];
}

/** Of a file of tests: the API server with the kinds installed. */
export function useTestServer(): TestServer {
  const client = connectToTestServer();
  const cleanups: (() => Promise<void>)[] = [];
  beforeAll(() => installKinds(client));
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });
  afterAll(() => client.close());
  return { client, cleanups };
}
