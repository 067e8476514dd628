/**
 * Counts the HTTP requests that the SDK sends. It repeats failed ones without a word; what it sends beyond
 * one request for each call is what it repeated.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";

const CHANNEL = "undici:request:create";

interface Message {
  readonly request: { readonly method: string; readonly path: string };
}

export class AttemptCounter {
  #count = 0;
  readonly #listener: (message: unknown) => void;

  constructor(method: string, pathPart: string) {
    this.#listener = (message) => {
      const { request } = message as Message;
      if (request.method === method && request.path.includes(pathPart)) this.#count += 1;
    };
    subscribe(CHANNEL, this.#listener);
  }

  get count(): number {
    return this.#count;
  }

  stop(): void {
    unsubscribe(CHANNEL, this.#listener);
  }
}
