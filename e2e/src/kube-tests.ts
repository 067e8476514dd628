/**
 * Vitest's global setup of *.kube.test.ts: one API server for all of a run. Tests find it in the environment:
 *
 * - PRISM_KUBECONFIG: path of the administrator's kubeconfig;
 * - PRISM_KUBE_CONTROL: a URL; POST to /kill/kube-apiserver or /start/kube-apiserver (or etcd, kube-scheduler,
 *   kube-controller-manager) and it is done when the answer is there. Absent when the cluster is not the setup's own.
 *
 * Both also as KUBE_TEST_CONFIG and KUBE_TEST_CONTROL, for packages that do not know what they are used for.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { startControlPlane, type Component, type ControlPlane } from "./cluster/control-plane.js";

export default async function setup(): Promise<() => Promise<void>> {
  const given = process.env["PRISM_KUBECONFIG"];
  if (given !== undefined) {
    process.env["KUBE_TEST_CONFIG"] = given;
    return async () => undefined;
  }
  const plane = await startControlPlane();
  const control = await serveControl(plane);
  process.env["PRISM_KUBECONFIG"] = plane.kubeconfig;
  process.env["PRISM_KUBE_CONTROL"] = `http://127.0.0.1:${(control.address() as AddressInfo).port}`;
  process.env["KUBE_TEST_CONFIG"] = process.env["PRISM_KUBECONFIG"];
  process.env["KUBE_TEST_CONTROL"] = process.env["PRISM_KUBE_CONTROL"];
  return async () => {
    control.close();
    control.closeAllConnections();
    await plane.stop();
  };
}

async function serveControl(plane: ControlPlane): Promise<Server> {
  const server = createServer((request, response) => {
    const [, act, component] = (request.url ?? "").split("/");
    const work = act === "kill" ? plane.kill(component as Component) : plane.start(component as Component);
    work.then(
      () => response.end("done\n"),
      (error: unknown) => response.writeHead(500).end(`${String(error)}\n`),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
