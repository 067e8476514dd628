/** Certificates and kubeconfigs of a test cluster, made by openssl: one authority, EC keys, valid for 30 days. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "./run-command.js";

const DAYS = "30";

export interface Identity {
  readonly name: string;
  readonly commonName: string;
  readonly organization: string;
  /** As in openssl's subjectAltName: "IP:10.0.0.1,DNS:localhost". */
  readonly alternativeNames?: string;
}

export class CertificateAuthority {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async make(directory: string): Promise<CertificateAuthority> {
    await mkdir(directory, { recursive: true });
    const authority = new CertificateAuthority(directory);
    await makeKey(join(directory, "ca.key"));
    await openssl(
      "req",
      "-x509",
      "-new",
      "-key",
      authority.path("ca.key"),
      "-subj",
      "/CN=kube-ca",
      "-days",
      DAYS,
    ).then((certificate) => writeFile(authority.path("ca.crt"), certificate));
    return authority;
  }

  path(file: string): string {
    return join(this.directory, file);
  }

  /** Writes NAME.key and NAME.crt, good for both ends of a connection. */
  async issue({ name, commonName, organization, alternativeNames }: Identity): Promise<void> {
    const subject = `/O=${organization}/CN=${commonName}`;
    await makeKey(this.path(`${name}.key`));
    const request = await openssl("req", "-new", "-key", this.path(`${name}.key`), "-subj", subject);
    const extensions = [
      "keyUsage=critical,digitalSignature,keyEncipherment",
      "extendedKeyUsage=serverAuth,clientAuth",
      ...(alternativeNames === undefined ? [] : [`subjectAltName=${alternativeNames}`]),
    ];
    await Promise.all([
      writeFile(this.path(`${name}.csr`), request),
      writeFile(this.path(`${name}.ext`), extensions.join("\n")),
    ]);
    const serial = `0x${Buffer.from(name).toString("hex").slice(0, 32)}`;
    const input = ["-in", this.path(`${name}.csr`), "-extfile", this.path(`${name}.ext`)];
    const signer = ["-CA", this.path("ca.crt"), "-CAkey", this.path("ca.key"), "-set_serial", serial];
    const certificate = await openssl("x509", "-req", ...input, ...signer, "-days", DAYS);
    await writeFile(this.path(`${name}.crt`), certificate);
  }

  /** The key pair with which service account tokens are signed. */
  async issueTokenKeys(name: string): Promise<void> {
    await makeKey(this.path(`${name}.key`));
    await writeFile(
      this.path(`${name}.pub`),
      await openssl("ec", "-in", this.path(`${name}.key`), "-pubout"),
    );
  }

  /** A kubeconfig that holds all it needs, for the identity issued under this name. */
  async kubeconfig(name: string, server: string): Promise<string> {
    const base64 = async (file: string) => (await readFile(this.path(file))).toString("base64");
    const cluster = { server, "certificate-authority-data": await base64("ca.crt") };
    const user = {
      "client-certificate-data": await base64(`${name}.crt`),
      "client-key-data": await base64(`${name}.key`),
    };
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "test", cluster }],
      users: [{ name, user }],
      contexts: [{ name: "test", context: { cluster: "test", user: name } }],
      "current-context": "test",
    });
  }
}

async function makeKey(path: string): Promise<void> {
  await writeFile(path, await openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"), {
    mode: 0o600,
  });
}

async function openssl(...args: string[]): Promise<string> {
  return await runCommand(["openssl", ...args]);
}
