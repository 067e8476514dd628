/** What this client has written and seen, as one read-your-writes token. */
import { decodeSession, EMPTY_SESSION, encodeSession, mergeSessions, type Session } from "@prism/api/session";

export class SessionKeeper {
  #session: Session = EMPTY_SESSION;

  /** "" before anything was written or read. */
  get token(): string {
    return this.#session.size === 0 ? "" : encodeSession(this.#session);
  }

  /** Takes in the token of an answer; returns the merged token. */
  note(token: string): string {
    if (token !== "") this.#session = mergeSessions(this.#session, decodeSession(token));
    return this.token;
  }

  forget(): void {
    this.#session = EMPTY_SESSION;
  }
}
