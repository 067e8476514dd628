/**
 * Leads the runtime's time, timers, randomness and files to the virtual process whose turn it is.
 * Outside of a turn all of them are what they always were. Done once per real process, for good:
 * modules that were loaded before hold these functions too, because named imports of builtin modules
 * are live (module.syncBuiltinESMExports).
 */
import crypto from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import perfHooks from "node:perf_hooks";
import timersPromises from "node:timers/promises";
import v8 from "node:v8";
import { runInThisContext } from "node:vm";
import { MemoryFiles } from "./memory-files.js";
import { VirtualTimer, type VirtualProcess } from "./virtual-process.js";

let current: VirtualProcess | undefined;
let installed = false;

const real = {
  setTimeout: globalThis.setTimeout,
  setImmediate: globalThis.setImmediate,
  now: performance.now.bind(performance),
};

export function currentProcess(): VirtualProcess | undefined {
  return current;
}

/**
 * Empties the microtask queue, so that everything a turn's promises lead to has happened before the next
 * turn. V8 does it only outside of a microtask: see `onFreshStack`.
 */
let drainMicrotasks: () => void = () => undefined;

/** One turn of a process: `run` and all that its promises lead to. */
export function runTurn(process: VirtualProcess | undefined, run: () => void): void {
  current = process;
  try {
    run();
    drainMicrotasks();
  } finally {
    current = undefined;
  }
}

/** Runs `run` from the event loop itself and not out of a promise, where turns can't be emptied. */
export function onFreshStack<T>(run: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    real.setImmediate(() => {
      try {
        resolve(run());
      } catch (error) {
        reject(error);
      }
    });
  });
}

export function installBuiltins(): void {
  if (installed) return;
  installed = true;
  v8.setFlagsFromString("--allow-natives-syntax");
  drainMicrotasks = runInThisContext("() => %PerformMicrotaskCheckpoint()") as () => void;
  installTimers();
  installClocks();
  installRandomness();
  installFiles();
  syncBuiltinESMExports();
}

type Callback = (...args: unknown[]) => void;

function installTimers(): void {
  const { clearTimeout, clearInterval, clearImmediate, setInterval } = globalThis;
  const bind = (callback: Callback, args: unknown[]): (() => void) =>
    args.length === 0 ? callback : () => callback(...args);
  const clear =
    (realClear: (timer: never) => void) =>
    (timer: unknown): void => {
      if (timer instanceof VirtualTimer) timer.clear();
      else realClear(timer as never);
    };
  Object.assign(globalThis, {
    setTimeout: (callback: Callback, delayMs?: number, ...args: unknown[]) =>
      current === undefined
        ? real.setTimeout(callback, delayMs, ...args)
        : current.setTimeout(bind(callback, args), delayMs),
    setInterval: (callback: Callback, delayMs?: number, ...args: unknown[]) =>
      current === undefined
        ? setInterval(callback, delayMs, ...args)
        : current.setInterval(bind(callback, args), delayMs),
    setImmediate: (callback: Callback, ...args: unknown[]) =>
      current === undefined
        ? real.setImmediate(callback, ...args)
        : current.setImmediate(bind(callback, args)),
    clearTimeout: clear(clearTimeout),
    clearInterval: clear(clearInterval),
    clearImmediate: clear(clearImmediate),
  });
  const realSleep = timersPromises.setTimeout;
  const sleep = (delayMs?: number, value?: unknown, options?: { signal?: AbortSignal }): Promise<unknown> => {
    const process = current;
    if (process === undefined) return realSleep(delayMs, value, options);
    return new Promise((resolve, reject) => {
      const timer = process.setTimeout(() => resolve(value), delayMs, "sleep");
      options?.signal?.addEventListener("abort", () => {
        timer.clear();
        reject(new Error("the sleep was ended"));
      });
    });
  };
  timersPromises.setTimeout = sleep as typeof timersPromises.setTimeout;
}

function installClocks(): void {
  const timeOrigin = performance.timeOrigin;
  const dateNow = Date.now;
  Object.defineProperty(performance, "now", {
    value: () => (current === undefined ? real.now() : current.monotonicMs()),
    configurable: true,
  });
  Object.defineProperty(performance, "timeOrigin", {
    get: () => current?.timeOrigin ?? timeOrigin,
    configurable: true,
  });
  Date.now = () => (current === undefined ? dateNow() : current.wallMs());
  const monitor = perfHooks.monitorEventLoopDelay;
  const idle = { enable: () => true, disable: () => true, reset: () => undefined, percentile: () => 0 };
  perfHooks.monitorEventLoopDelay = ((options) =>
    current === undefined ? monitor(options) : idle) as typeof monitor;
  const memoryUsage = process.memoryUsage;
  const steady = { rss: 1e8, heapTotal: 1e8, heapUsed: 1e7, external: 0, arrayBuffers: 0 };
  process.memoryUsage = Object.assign(() => (current === undefined ? memoryUsage() : steady), {
    rss: () => (current === undefined ? memoryUsage.rss() : steady.rss),
  });
}

function installRandomness(): void {
  const { randomUUID, randomBytes, randomFillSync } = crypto;
  const mathRandom = Math.random;
  Math.random = () => (current === undefined ? mathRandom() : current.random.next());
  crypto.randomUUID = ((options) => current?.random.uuid() ?? randomUUID(options)) as typeof randomUUID;
  crypto.randomBytes = (size: number) => {
    if (current === undefined) return randomBytes(size);
    const bytes = Buffer.alloc(size);
    current.random.fill(bytes);
    return bytes;
  };
  crypto.randomFillSync = ((bytes: Uint8Array) => {
    if (current === undefined) return randomFillSync(bytes);
    current.random.fill(bytes);
    return bytes;
  }) as typeof randomFillSync;
}

function noSuchFile(path: string): Error {
  return Object.assign(new Error(`ENOENT: no such file, ${path}`), { code: "ENOENT" });
}

/** Only what nodes use of node:fs on their data, and only below the simulated volumes. */
function installFiles(): void {
  const { mkdirSync, openSync, writeSync, fsyncSync, closeSync, readFileSync, rmSync, statfsSync } = fs;
  const filesOf = (path: unknown): MemoryFiles | undefined =>
    MemoryFiles.holds(path) ? current?.files : undefined;
  const filesWith = (descriptor: number): MemoryFiles | undefined =>
    current?.files?.isOpen(descriptor) === true ? current.files : undefined;
  fs.mkdirSync = ((path: string, options: object) =>
    filesOf(path) === undefined ? mkdirSync(path, options) : undefined) as typeof mkdirSync;
  fs.openSync = ((path: string, flags: string) =>
    filesOf(path)?.open(path) ?? openSync(path, flags)) as typeof openSync;
  fs.writeSync = ((descriptor: number, data: string | Uint8Array) => {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    return filesWith(descriptor)?.write(descriptor, bytes) ?? writeSync(descriptor, bytes);
  }) as typeof writeSync;
  fs.fsyncSync = (descriptor) => (filesWith(descriptor) === undefined ? fsyncSync(descriptor) : undefined);
  fs.closeSync = (descriptor) => {
    const files = filesWith(descriptor);
    if (files === undefined) closeSync(descriptor);
    else files.close(descriptor);
  };
  fs.readFileSync = ((path: string, options: string) => {
    const files = filesOf(path);
    if (files === undefined) return readFileSync(path, options as "utf8");
    const bytes = files.read(path);
    if (bytes === undefined) throw noSuchFile(path);
    return typeof options === "string" ? Buffer.from(bytes).toString("utf8") : bytes;
  }) as typeof readFileSync;
  fs.rmSync = (path, options) => {
    const files = filesOf(path);
    if (files === undefined) rmSync(path, options);
    else files.remove(path as string);
  };
  fs.statfsSync = ((path: string) => {
    const files = filesOf(path);
    return files === undefined ? statfsSync(path) : { bavail: files.freeBytes, bsize: 1 };
  }) as typeof statfsSync;
}
