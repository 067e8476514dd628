import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { KubeConfig } from "./kube-config.js";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "kube-config-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function file(name: string, content: unknown): Promise<string> {
  const path = join(directory, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

function kubeconfig(user: object, cluster: object = {}): object {
  return {
    clusters: [{ name: "c", cluster: { server: "https://one.example:6443", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "mine" } }],
    "current-context": "x",
  };
}

describe("in a pod", () => {
  test("the service account's files are read again when they are old, or refused", async () => {
    await file("ca.crt", "CA");
    await file("namespace", "mine\n");
    const token = await file("token", "one\n");
    let nowMs = 0;
    const config = new KubeConfig(
      { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443", HOME: "/nowhere" },
      { serviceAccountDirectory: directory, now: () => nowMs },
    );
    const bearer = async (): Promise<string | undefined> =>
      (await config.connection()).headers["authorization"];
    expect(await config.connection()).toMatchObject({
      server: "https://[fd00::1]:443",
      tls: { ca: "CA" },
      namespace: "mine",
    });
    expect(await bearer()).toBe("Bearer one");
    await writeFile(token, "two");
    nowMs = 59_000;
    expect(await bearer()).toBe("Bearer one");
    nowMs = 61_000;
    expect(await bearer()).toBe("Bearer two");
    const refused = await config.connection();
    await writeFile(token, "three");
    config.renew(refused);
    expect(await bearer()).toBe("Bearer three");
    // A second request was refused with the same credentials, and says so later.
    const newest = await config.connection();
    config.renew(refused);
    expect(await config.connection()).toBe(newest);
    await rm(token);
    nowMs = 200_000;
    expect(await bearer()).toBe("Bearer three");
    config.renew(newest);
    await expect(bearer()).rejects.toThrow("service account");
  });

  test("a missing service account is said, and looked for again at the next request", async () => {
    const config = new KubeConfig(
      { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" },
      { serviceAccountDirectory: directory },
    );
    await expect(config.connection()).rejects.toThrow("service account");
    for (const name of ["ca.crt", "namespace", "token"]) await file(name, name);
    expect((await config.connection()).namespace).toBe("namespace");
  });
});

describe("a kubeconfig", () => {
  test("gives certificates from data and from files beside it", async () => {
    await file("pki/ca.crt", "CA");
    const path = await file(
      "config",
      kubeconfig(
        { "client-certificate-data": base64("CERT"), "client-key": "pki/key", as: "somebody" },
        { "certificate-authority": "pki/ca.crt", "tls-server-name": "name" },
      ),
    );
    await file("pki/key", "KEY");
    const { tls, headers, namespace } = await new KubeConfig({ KUBECONFIG: path }).connection();
    expect(tls).toMatchObject({ ca: "CA", cert: "CERT", key: "KEY", servername: "name" });
    expect(headers).toEqual({ "impersonate-user": "somebody" });
    expect(namespace).toBe("mine");
  });

  test("knows tokens, token files and passwords", async () => {
    const tokenFile = await file("token", "from-file\n");
    const cases: [object, string][] = [
      [{ token: "plain" }, "Bearer plain"],
      [{ tokenFile }, "Bearer from-file"],
      [{ tokenFile: "token" }, "Bearer from-file"],
      [{ username: "me", password: "pass" }, `Basic ${base64("me:pass")}`],
    ];
    for (const [user, authorization] of cases) {
      const path = await file("config", kubeconfig(user));
      expect((await new KubeConfig({ KUBECONFIG: path }).connection()).headers).toEqual({ authorization });
    }
  });

  test("of several files the first to say something wins", async () => {
    const first = await file("first", { "current-context": "x", contexts: [] });
    const second = await file("second", kubeconfig({ token: "t" }));
    const third = await file("third", { ...kubeconfig({ token: "other" }), "current-context": "y" });
    const config = new KubeConfig({ KUBECONFIG: [first, second, third].join(":") });
    expect((await config.connection()).headers["authorization"]).toBe("Bearer t");
  });

  test("is found at home", async () => {
    await file(".kube/config", kubeconfig({ token: "t" }));
    expect((await new KubeConfig({ HOME: directory }).connection()).server).toBe("https://one.example:6443");
  });

  test.each([
    ["not: [yaml", "cannot be read as a kubeconfig"],
    [JSON.stringify({ clusters: [], contexts: [], users: [] }), 'no context ""'],
    [JSON.stringify({ ...kubeconfig({}), clusters: [] }), 'no cluster "c"'],
    [JSON.stringify({ ...kubeconfig({}), users: [{ name: "v" }] }), 'no user "u"'],
    [JSON.stringify(kubeconfig({}, { "proxy-url": "http://proxy" })), "proxy-url"],
  ])("that is wrong is told with what is wrong: %s", async (content, message) => {
    const path = await file("config", content);
    await expect(new KubeConfig({ KUBECONFIG: path }).connection()).rejects.toThrow(message);
  });

  test("that nobody named is told as missing", async () => {
    await expect(new KubeConfig({}).connection()).rejects.toThrow("set KUBECONFIG");
  });
});
