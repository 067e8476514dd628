/** The thread of one election. It does nothing else, so that no work of the process can make it late. */
import { parentPort, workerData } from "node:worker_threads";
import { HttpApiClient } from "./http-api-client.js";
import { KubeConfig } from "./kube-config.js";
import { LeaseContender } from "./lease-contender.js";
import { ALIVE_AT, LEADING_UNTIL, type LeaseReport, type LeaseSettings } from "./lease-message.js";

const settings = workerData as LeaseSettings;
const clock = new BigInt64Array(settings.clock);
const stop = new AbortController();
const client = new HttpApiClient(new KubeConfig(settings.environment), { userAgent: settings.userAgent });

function report(message: LeaseReport): void {
  parentPort?.postMessage(message);
}

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

const contender = new LeaseContender({
  ...settings,
  client,
  now: nowMs,
  mayLead: () => nowMs() - Number(Atomics.load(clock, ALIVE_AT)) / 1e6 < settings.stallLimitMs,
  onLeading: (untilMs) => {
    Atomics.store(clock, LEADING_UNTIL, BigInt(Math.floor(untilMs * 1e6)));
    report({ type: "leading" });
  },
  onLost: (reason) => {
    Atomics.store(clock, LEADING_UNTIL, 0n);
    report({ type: "lost", reason });
  },
  onHolder: (identity) => report({ type: "holder", identity }),
  onError: (error) =>
    report({ type: "error", message: error instanceof Error ? error.message : String(error) }),
});

parentPort?.once("message", () => stop.abort(new Error("the election was stopped")));
await contender.run(stop.signal);
await client.close();
report({ type: "stopped" });
