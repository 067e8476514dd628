/**
 * Who a process is on the internal port: a URI in its certificate, `prism://<cluster id>/<role>`. Host names
 * say nothing there, because nodes dial each other by addresses that change with every start.
 */

export const TLS_ROLES = ["node", "operator"] as const;
export type TlsRole = (typeof TLS_ROLES)[number];

export interface TlsIdentity {
  readonly clusterId: string;
  readonly role: TlsRole;
}

export function tlsIdentityUri({ clusterId, role }: TlsIdentity): string {
  return `prism://${clusterId}/${role}`;
}

/**
 * @param subjectAltName as the runtime prints it: `DNS:a, URI:b`.
 * Undefined unless exactly one of the names is an identity of ours. A name that holds a comma is printed in
 * quotes and could look like two: certificates with such names are not ours.
 */
export function parseTlsIdentity(subjectAltName: string | undefined): TlsIdentity | undefined {
  if (subjectAltName === undefined || subjectAltName.includes('"')) return undefined;
  const uris = subjectAltName.split(", ").filter((name) => name.startsWith("URI:prism://"));
  const match = /^URI:prism:\/\/([A-Za-z0-9][A-Za-z0-9-]{0,62})\/([a-z]+)$/.exec(uris[0] ?? "");
  const role = TLS_ROLES.find((one) => one === match?.[2]);
  const clusterId = match?.[1];
  return uris.length !== 1 || clusterId === undefined || role === undefined ? undefined : { clusterId, role };
}
