/** Runs a trial in a child process, and bounds it in time. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TrialAnswer, TrialOrder } from "./trial-process.js";

const PROCESS = fileURLToPath(new URL("./trial-process.js", import.meta.url));
/** For loading, and for the schedule that is under way when the time is up. */
const GRACE_MS = 60_000;

export function runTrial(order: TrialOrder): Promise<TrialAnswer> {
  return new Promise((resolve) => {
    const child = fork(PROCESS, [], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const limitMs = order.budget.timeLimitMs + GRACE_MS;
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      resolve({ kind: "failed", message: `a schedule did not end within ${limitMs} ms` });
    }, limitMs);
    child.once("message", (answer: TrialAnswer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      resolve({ kind: "failed", message: `the process ended with ${signal ?? code}` });
    });
    child.send(order);
  });
}
