/** Starts the load's process and asks it. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type {
  ExpectedDocument,
  FromLoad,
  LoadCounts,
  LoadSettings,
  ShardGap,
  ToLoad,
} from "./load-message.js";

const PROGRAM = fileURLToPath(new URL("./load-process.js", import.meta.url));

type Asked<K extends FromLoad["kind"]> = Extract<FromLoad, { kind: K }>;

export class LoadDriver {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { readonly done: (answer: FromLoad) => void; readonly failed: (error: Error) => void }
  >();
  #nextId = 1;

  constructor(settings: LoadSettings) {
    this.#child = fork(PROGRAM, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#child.on("message", (answer: FromLoad) => {
      this.#waiting.get(answer.id)?.done(answer);
      this.#waiting.delete(answer.id);
    });
    this.#child.once("exit", (code) => {
      for (const { failed } of this.#waiting.values()) failed(new Error(`the load ended with code ${code}`));
      this.#waiting.clear();
    });
    this.#send({ kind: "start", settings });
  }

  forget(): void {
    this.#send({ kind: "forget" });
  }

  async gaps(faultMs: number): Promise<readonly ShardGap[]> {
    return (await this.#ask<"gaps">((id) => ({ kind: "gaps", id, faultMs }))).gaps;
  }

  async counts(): Promise<LoadCounts> {
    return (await this.#ask<"counts">((id) => ({ kind: "counts", id }))).counts;
  }

  async stop(): Promise<{
    readonly counts: LoadCounts;
    readonly documents: readonly ExpectedDocument[];
  }> {
    const { counts, documents } = await this.#ask<"stopped">((id) => ({ kind: "stop", id }));
    await this.end();
    return { counts, documents };
  }

  /** Ends the process, whatever it does; a second call does nothing. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  #send(message: ToLoad): void {
    // A load that has ended is noticed by whoever waits for its answer.
    this.#child.send(message, () => undefined);
  }

  #ask<K extends FromLoad["kind"]>(message: (id: number) => ToLoad): Promise<Asked<K>> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null) reject(new Error("the load has ended"));
      this.#waiting.set(id, { done: (answer) => resolve(answer as Asked<K>), failed: reject });
      this.#send(message(id));
    });
  }
}
