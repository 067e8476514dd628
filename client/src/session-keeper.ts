/**
 * What a client has written and seen, as read-your-writes tokens: kept by collection, so that a read
 * sends no more than it needs, and a deleted collection leaves nothing behind.
 */
import { Problem } from "@prism/api/problem-code";
import { decodeSession, EMPTY_SESSION, encodeSession, mergeSessions, type Session } from "@prism/api/session";
import { PrismError } from "./prism-error.js";

export class SessionKeeper {
  readonly #byCollection = new Map<string, Session>();
  /** Of joined tokens: which collections they are about, only the cluster knows. */
  #joined: Session = EMPTY_SESSION;

  /** "" before anything was written or seen. */
  tokenOf(collection: string): string {
    return toToken(mergeSessions(this.#joined, this.#byCollection.get(collection) ?? EMPTY_SESSION));
  }

  /** Of all collections. */
  get token(): string {
    return toToken([...this.#byCollection.values()].reduce(mergeSessions, this.#joined));
  }

  /**
   * Takes in the token of an answer.
   *
   * @throws {PrismError} unexpectedAnswer when it is none: what was called for has been done nevertheless
   */
  note(collection: string, token: string | undefined): void {
    // A node of an earlier version gives none with a document.
    if (token === undefined || token === "") return;
    const known = this.#byCollection.get(collection) ?? EMPTY_SESSION;
    try {
      this.#byCollection.set(collection, mergeSessions(known, decodeSession(token)));
    } catch (cause) {
      const facts = { retryable: false, executed: "unknown", attempts: 1, cause } as const;
      throw new PrismError("unexpectedAnswer", "the answer's session is not a token this SDK knows", facts);
    }
  }

  /** @throws {TypeError} when the text is no token. */
  join(token: string): void {
    if (token === "") return;
    try {
      this.#joined = mergeSessions(this.#joined, decodeSession(token));
    } catch (cause) {
      if (cause instanceof Problem) throw new TypeError(cause.detail, { cause });
      throw cause;
    }
  }

  /** What was seen of a collection, and joined tokens, which may be about it. */
  forget(collection: string): void {
    this.#joined = EMPTY_SESSION;
    this.#byCollection.delete(collection);
  }

  /** The collection is gone: what was joined may be about others. */
  drop(collection: string): void {
    this.#byCollection.delete(collection);
  }

  forgetAll(): void {
    this.#joined = EMPTY_SESSION;
    this.#byCollection.clear();
  }
}

function toToken(session: Session): string {
  return session.size === 0 ? "" : encodeSession(session);
}
