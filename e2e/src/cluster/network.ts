/**
 * The test cluster's network, in namespaces of its own: a hub, in which the control plane runs, and one namespace per
 * node, joined to the hub by a link. The hub routes between nodes, and to this machine by one more link, so that tests
 * reach API server, Services and pods by their addresses. All goes with the namespaces.
 */
import { POD_CIDR, SERVICE_CIDR } from "./control-plane.js";
import { runCommand } from "./run-command.js";

export const HUB = "prism-kube-hub";
export const HUB_ADDRESS = "10.77.0.1";
const MACHINE_LINK = "prism-kube";
const MACHINE_ADDRESS = "10.77.254.1";
const HUB_MACHINE_ADDRESS = "10.77.254.2";

export interface NodeNetwork {
  readonly namespace: string;
  /** The hub's end of the node's link. */
  readonly link: string;
  readonly address: string;
  readonly gateway: string;
  readonly podCidr: string;
}

/** `index` counts from 1. */
export function networkOf(index: number): NodeNetwork {
  return {
    namespace: `prism-kube-${index}`,
    link: `node-${index}`,
    address: `10.77.${index}.2`,
    gateway: `10.77.${index}.1`,
    podCidr: `10.244.${index}.0/24`,
  };
}

export const IN_HUB: readonly string[] = ["ip", "netns", "exec", HUB];

export async function makeHub(): Promise<void> {
  await ip("netns", "add", HUB);
  await inHub("link", "set", "lo", "up");
  await inHub("addr", "add", `${HUB_ADDRESS}/32`, "dev", "lo");
  await runCommand([...IN_HUB, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  await ip("link", "add", MACHINE_LINK, "type", "veth", "peer", "name", "machine", "netns", HUB);
  await ip("addr", "add", `${MACHINE_ADDRESS}/30`, "dev", MACHINE_LINK);
  await ip("link", "set", MACHINE_LINK, "up");
  await inHub("addr", "add", `${HUB_MACHINE_ADDRESS}/30`, "dev", "machine");
  await inHub("link", "set", "machine", "up");
  for (const cidr of ["10.77.0.0/16", POD_CIDR, SERVICE_CIDR])
    await ip("route", "add", cidr, "via", HUB_MACHINE_ADDRESS);
  await setFaults([]);
}

export async function makeNodeNetwork({
  namespace,
  link,
  address,
  gateway,
  podCidr,
}: NodeNetwork): Promise<void> {
  await ip("netns", "add", namespace);
  await inHub("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace);
  await inHub("addr", "add", `${gateway}/24`, "dev", link);
  await inHub("link", "set", link, "up");
  await ip("-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0");
  await ip("-n", namespace, "link", "set", "eth0", "up");
  await ip("-n", namespace, "route", "add", "default", "via", gateway);
  await inHub("route", "add", podCidr, "via", address);
}

/** Removes every namespace of the cluster, and with them links, addresses and routes. */
export async function removeNetworks(): Promise<void> {
  // Links go with their namespace, but some time after it: the next cluster would find this one in its way.
  if ((await ip("-brief", "link")).includes(`${MACHINE_LINK}@`)) await ip("link", "delete", MACHINE_LINK);
  const listed = await ip("netns", "list");
  for (const line of listed.split("\n")) {
    const name = line.split(" ")[0]!;
    if (name.startsWith("prism-kube-")) await ip("netns", "delete", name);
  }
}

export type NetworkFault =
  /** Neither sends nor receives, while its link stays up. */
  | { readonly kind: "cut"; readonly node: NodeNetwork }
  /** Nothing passes between the two; both reach everything else. */
  | { readonly kind: "split"; readonly between: readonly [NodeNetwork, NodeNetwork] }
  /** So many of 100 packets that the node sends are lost. */
  | { readonly kind: "lossy"; readonly node: NodeNetwork; readonly percent: number };

/** From now on exactly these: in the hub, through which all that leaves a node goes. */
export async function setFaults(faults: readonly NetworkFault[]): Promise<void> {
  const forward: string[] = [];
  const own: string[] = [];
  const out: string[] = [];
  for (const fault of faults) {
    switch (fault.kind) {
      case "cut":
        forward.push(`iifname "${fault.node.link}" drop`, `oifname "${fault.node.link}" drop`);
        own.push(`iifname "${fault.node.link}" drop`);
        out.push(`oifname "${fault.node.link}" drop`);
        break;
      case "split": {
        const [a, b] = fault.between;
        forward.push(
          `iifname "${a.link}" oifname "${b.link}" drop`,
          `iifname "${b.link}" oifname "${a.link}" drop`,
        );
        break;
      }
      case "lossy": {
        const rule = `iifname "${fault.node.link}" numgen random mod 100 < ${fault.percent} drop`;
        forward.push(rule);
        own.push(rule);
      }
    }
  }
  const chain = (name: string, rules: readonly string[]) =>
    `chain ${name} { type filter hook ${name} priority -10; ${rules.map((rule) => `${rule};`).join(" ")} }`;
  const chains = [chain("forward", forward), chain("input", own), chain("output", out)];
  const input = `table inet faults\ndelete table inet faults\ntable inet faults {\n${chains.join("\n")}\n}\n`;
  await runCommand([...IN_HUB, "nft", "-f", "-"], { input });
}

async function ip(...args: string[]): Promise<string> {
  return await runCommand(["ip", ...args]);
}

async function inHub(...args: string[]): Promise<string> {
  return await ip("-n", HUB, ...args);
}
