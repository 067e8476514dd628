/** One process of the operator: watches from its start, so that it can lead at once when the lease is its own. */
import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import type { EventRecorder } from "@prism/kube-machinery/event-recorder";
import type { KubeEnvironment } from "@prism/kube-machinery/kube-config";
import { LeaseElection } from "@prism/kube-machinery/lease-election";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { ChildWatches } from "../adapters/kubernetes/child-watches.js";
import { RecordWatches } from "../adapters/kubernetes/record-watches.js";
import type { ControlPlane } from "../control/control-plane.js";
import type { ClusterHome } from "./cluster-runner.js";
import { startOperatorAdmin } from "./operator-admin.js";
import type { OperatorSettings } from "./operator-settings.js";
import { Supervisor } from "./supervisor.js";

export interface OperatorOptions {
  readonly settings: OperatorSettings;
  readonly client: ApiClient;
  readonly recorder: EventRecorder;
  /** Where the API server is, for the thread that holds the lease. */
  readonly environment: KubeEnvironment;
  readonly log: Logger;
  /** Others in tests. */
  readonly home?: ClusterHome | undefined;
}

const LEASE = "prism-operator";
/**
 * Requests under way may hang while the API server can't be reached. What they still change, they change by
 * compare-and-swap, as those of any other operator.
 */
const STOP_LIMIT_MS = 5000;

/** Resolves when it competes for the lease. */
export async function startOperator(options: OperatorOptions): Promise<OperatorProcess> {
  const process = new OperatorProcess(options);
  await process.start();
  return process;
}

export class OperatorProcess {
  readonly #options: OperatorOptions;
  readonly #records: RecordWatches;
  readonly #children: ChildWatches;
  readonly #election: LeaseElection;
  readonly #stopped = new AbortController();
  #admin: FastifyInstance | undefined;
  #supervisor: Supervisor | undefined;
  /** Starts and ends of the lead follow each other. */
  #turns: Promise<void> = Promise.resolve();

  constructor(options: OperatorOptions) {
    this.#options = options;
    // Every watch listens to it once.
    setMaxListeners(0, this.#stopped.signal);
    const { settings, client, environment, log } = options;
    const { watchNamespaces: namespaces } = settings;
    const onError = (err: unknown): void => log.warn({ err }, "watch broken off, will be taken up again");
    const onHandlerError = (err: unknown): void => log.error({ err }, "a change was told and not understood");
    this.#records = new RecordWatches({ client, namespaces, onError, onHandlerError });
    this.#children = new ChildWatches({ client, namespaces, onError, onHandlerError });
    this.#election = new LeaseElection({
      environment: {
        KUBECONFIG: environment.KUBECONFIG,
        KUBERNETES_SERVICE_HOST: environment.KUBERNETES_SERVICE_HOST,
        KUBERNETES_SERVICE_PORT: environment.KUBERNETES_SERVICE_PORT,
        HOME: environment.HOME,
      },
      namespace: settings.podNamespace,
      name: LEASE,
      identity: settings.podName,
      userAgent: "prism-operator-election",
      onLeading: () => void this.#turn(() => this.#lead()),
      onLost: (reason) => void this.#turn(() => this.#follow(reason)),
      onHolder: (holder) => log.info({ holder }, "leader"),
      onError: (message) => log.warn({ detail: message }, "lease not renewed"),
    });
  }

  planes(): ReadonlyMap<string, ControlPlane> {
    return this.#supervisor?.planes() ?? new Map<string, ControlPlane>();
  }

  isLeading(): boolean {
    return this.#election.isLeading();
  }

  async start(): Promise<void> {
    const { settings, log } = this.#options;
    this.#admin = await startOperatorAdmin({
      host: settings.adminHost,
      port: settings.adminPort,
      isReady: () => this.#records.hasSynced,
      isLeading: () => this.isLeading(),
      planes: () => this.planes(),
    });
    const { signal } = this.#stopped;
    await Promise.all([this.#records.start(signal), this.#children.start(signal)]);
    this.#election.start();
    log.info({ namespaces: settings.watchNamespaces }, "watching");
  }

  /** Gives the lease back when nothing is led any more. */
  async stop(): Promise<void> {
    this.#stopped.abort(new Error("the operator stops"));
    await this.#turn(() => this.#follow("stopping"));
    await this.#election.stop();
    await Promise.all([this.#records.stop(), this.#children.stop(), this.#admin?.close()]);
    // What was done at the end is told as well.
    await this.#options.recorder.stop();
    await this.#options.client.close();
  }

  #turn(work: () => Promise<void>): Promise<void> {
    this.#turns = this.#turns.then(work).catch((err: unknown) => {
      this.#options.log.error({ err }, "the lead was not taken or left cleanly");
    });
    return this.#turns;
  }

  async #lead(): Promise<void> {
    if (!this.isLeading() || this.#stopped.signal.aborted) return;
    const { client, recorder, settings, log, home } = this.#options;
    log.info("leading");
    this.#supervisor = new Supervisor({
      client,
      records: this.#records,
      children: this.#children,
      recorder,
      imageRepository: settings.nodeImageRepository,
      operatorNamespace: settings.podNamespace,
      log,
      home,
    });
    this.#supervisor.start();
  }

  async #follow(reason: string): Promise<void> {
    const supervisor = this.#supervisor;
    this.#supervisor = undefined;
    if (!supervisor) return;
    this.#options.log.warn({ reason }, "not leading any more");
    const limit = new AbortController();
    const late = delay(STOP_LIMIT_MS, undefined, { signal: limit.signal }).catch(() => undefined);
    await Promise.race([supervisor.stop(), late]);
    limit.abort();
  }
}
