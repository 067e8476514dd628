/**
 * The directory with this node's certificate: `tls.crt`, `tls.key`, `ca.crt`. Looked at again and again,
 * because what mounts it replaces the files while the node runs; a notice of the file system would tell of a
 * link's change on some mounts and not on others.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { TlsCredentials, type TlsMaterial } from "@prism/proto/internal-credentials";
import { ExitCode, StartError } from "./start-error.js";

const REREAD_INTERVAL_MS = 10_000;

export class TlsDirectory {
  readonly credentials: TlsCredentials;
  readonly #path: string;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #lastFailure = "";

  private constructor(path: string, credentials: TlsCredentials, logger: Logger) {
    this.#path = path;
    this.credentials = credentials;
    this.#logger = logger;
    this.#timer = setInterval(() => void this.reread(), REREAD_INTERVAL_MS).unref();
  }

  /** @throws {StartError} with ExitCode.settings when a file is missing or damaged. */
  static async open(path: string, logger: Logger): Promise<TlsDirectory> {
    try {
      const directory = new TlsDirectory(path, new TlsCredentials(await readMaterial(path)), logger);
      directory.#warnOfExpiry();
      return directory;
    } catch (error) {
      throw new StartError(ExitCode.settings, `tlsDirectory ${path}: ${messageOf(error)}`);
    }
  }

  /** Takes what the files hold now; keeps what is in use when they can't be used, or are half replaced. */
  async reread(): Promise<void> {
    try {
      if (this.credentials.replace(await readMaterial(this.#path))) {
        this.#logger.info({ expiresAt: this.credentials.expiresAt }, "certificate replaced");
        this.#warnOfExpiry();
      }
      this.#lastFailure = "";
    } catch (error) {
      const detail = messageOf(error);
      // One line per change of reason, not one per look.
      if (detail !== this.#lastFailure) {
        this.#logger.error(
          { tlsDirectory: this.#path, detail },
          "the certificate files can't be used: the node goes on with those it has",
        );
      }
      this.#lastFailure = detail;
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #warnOfExpiry(): void {
    const { expiresAt } = this.credentials;
    if (expiresAt.getTime() > Date.now()) return;
    this.#logger.error(
      { expiresAt, tlsDirectory: this.#path },
      "the certificate has expired: others refuse it",
    );
  }
}

async function readMaterial(path: string): Promise<TlsMaterial> {
  const read = (name: string): Promise<string> => readFile(join(path, name), "utf8");
  const [certificate, key, authorities] = await Promise.all([
    read("tls.crt"),
    read("tls.key"),
    read("ca.crt"),
  ]);
  return { certificate, key, authorities };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
