/** The operator in Kubernetes: one of its processes leads all clusters, the others stand by to take over. */
import { EventRecorder } from "@prism/kube-machinery/event-recorder";
import { HttpApiClient } from "@prism/kube-machinery/http-api-client";
import { KubeConfig } from "@prism/kube-machinery/kube-config";
import { pino } from "pino";
import { ConfigError } from "../config.js";
import { startOperator } from "./operator-process.js";
import { parseOperatorSettings } from "./operator-settings.js";

const EXIT_USAGE = 2;

async function main(): Promise<void> {
  const settings = parseOperatorSettings(process.env);
  const log = pino({ level: settings.logLevel, base: { pod: settings.podName } });
  const client = new HttpApiClient(new KubeConfig(process.env), { userAgent: "prism-operator" });
  const recorder = new EventRecorder({
    client,
    controller: "prism.dev/operator",
    instance: settings.podName,
    namespace: settings.podNamespace,
    onError: (err) => log.debug({ err }, "event not recorded"),
  });
  const operator = await startOperator({ settings, client, recorder, environment: process.env, log });
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, "stopping");
    void operator.stop().finally(() => process.exit(0));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

main().catch((error: unknown) => {
  const isOurs = !(error instanceof ConfigError);
  process.stderr.write(`${isOurs && error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(isOurs ? 1 : EXIT_USAGE);
});
