/**
 * Messages to another thread, gathered over one turn of the event loop and posted as one list: a wake-up
 * of a thread costs more than most messages do, and writes that come together are committed together.
 */
import type { Transferable } from "node:worker_threads";

export interface MailPort {
  postMessage(messages: readonly unknown[], transfer: readonly Transferable[]): void;
}

export class TurnMail<Message extends object> {
  readonly #port: MailPort;
  #messages: Message[] = [];

  constructor(port: MailPort) {
    this.#port = port;
  }

  /** The buffer of a `payload` goes over to the other thread: it must not be a part of a larger one that is in use. */
  post(message: Message): void {
    if (this.#messages.push(message) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const messages = this.#messages;
    this.#messages = [];
    const transfer = new Set<ArrayBuffer>();
    for (const message of messages) {
      if ("payload" in message && message.payload instanceof Uint8Array) {
        transfer.add(message.payload.buffer as ArrayBuffer);
      }
    }
    this.#port.postMessage(messages, [...transfer]);
  }
}
