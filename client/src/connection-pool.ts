/**
 * The connections to one address. Requests go over the one that was used last, so that few are kept. When one proves
 * dead, those that are idle are doubted: behind a Service's address they may lead to the same node, so each must
 * answer before it is used again.
 *
 * A new connection that does not answer soon is raced by further ones (as RFC 8305, "Happy Eyeballs", does with
 * addresses): behind a Service each is another draw of a node, and one in three may be gone.
 */
import { setMaxListeners } from "node:events";
import { Connection, NotConnected, type ConnectionSettings } from "./connection.js";

export interface PoolSettings extends ConnectionSettings {
  readonly connections: number;
  /** Within this an idle connection that is doubted has to answer. */
  readonly doubtTimeoutMs: number;
}

/** RFC 8305, section 5, has 250 ms between two connection attempts; later ones are further apart. */
const RACE_DELAYS_MS = [250, 250, 250, 500, 1000];
/** At once: many callers that start together do better to share the first that are open. */
const MOST_OPENING = 8;

interface Waiter {
  readonly take: (connection: Connection) => void;
  readonly fail: (error: NotConnected) => void;
}

export class ConnectionPool {
  readonly #origin: string;
  readonly #settings: PoolSettings;
  readonly #idle: Connection[] = [];
  readonly #doubted = new Set<Connection>();
  readonly #waiters: Waiter[] = [];
  readonly #closing = new AbortController();
  #opening = 0;
  #openingApart = 0;
  /** Opening and doubted ones are not among them. */
  #open = 0;

  constructor(origin: string, settings: PoolSettings) {
    this.#origin = origin;
    this.#settings = settings;
    // Each opening and each proof listens, and leaves with its end.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Nothing is kept or waited for: the pool may be forgotten. */
  get isUnused(): boolean {
    return this.#open + this.#opening + this.#doubted.size + this.#waiters.length === 0;
  }

  /** A connection is open: who waits for one waits for its turn, and not for a node that may be gone. */
  get isReached(): boolean {
    return this.#open > this.#openingApart;
  }

  /**
   * For one request; then it is to be given back, or retired.
   *
   * @throws {NotConnected}
   */
  async acquire(signal: AbortSignal): Promise<Connection> {
    if (signal.aborted) throw new NotConnected(signal.reason);
    return await new Promise<Connection>((resolve, reject) => {
      const leave = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(new NotConnected(new Error("no connection was free in time")));
      };
      const waiter: Waiter = {
        take: (connection) => {
          signal.removeEventListener("abort", leave);
          resolve(connection);
        },
        fail: (error) => {
          signal.removeEventListener("abort", leave);
          reject(error);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  /** As acquire, but a new one, unless many are being opened: it leads to a node that answers. */
  async acquireNew(signal: AbortSignal): Promise<Connection> {
    if (this.#openingApart >= MOST_OPENING) return await this.acquire(signal);
    this.#openingApart += 1;
    this.#open += 1;
    try {
      return await openRaced(this.#origin, this.#settings, signal);
    } catch (error) {
      this.#open -= 1;
      throw error;
    } finally {
      this.#openingApart -= 1;
    }
  }

  /** The answer has come whole. */
  giveBack(connection: Connection): void {
    if (!connection.isOpen || this.#closing.signal.aborted || this.#open > this.#settings.connections) {
      this.retire(connection);
      return;
    }
    connection.onClosed = () => this.#drop(connection);
    this.#idle.push(connection);
    this.#serve();
  }

  retire(connection: Connection): void {
    this.#open -= 1;
    connection.destroy();
    this.#serve();
  }

  /** Idle connections must answer before they are used again. */
  doubtIdle(): void {
    for (const connection of this.#idle.splice(0)) {
      this.#doubted.add(connection);
      this.#open -= 1;
      void this.#prove(connection);
    }
  }

  /** Ends what is being opened and what is idle; those in use end as they are given back. */
  close(): void {
    this.#closing.abort();
    for (const connection of this.#idle.splice(0)) this.retire(connection);
  }

  async #prove(connection: Connection): Promise<void> {
    connection.onClosed = undefined;
    const answers = await connection.answersWithin(this.#settings.doubtTimeoutMs, this.#closing.signal);
    this.#doubted.delete(connection);
    this.#open += 1;
    if (answers) this.giveBack(connection);
    else this.retire(connection);
  }

  /** The other side has closed it while it was idle. */
  #drop(connection: Connection): void {
    const at = this.#idle.indexOf(connection);
    if (at === -1) return;
    this.#idle.splice(at, 1);
    this.retire(connection);
  }

  #serve(): void {
    while (this.#waiters.length > 0 && this.#idle.length > 0) {
      const connection = this.#idle.pop()!;
      connection.onClosed = undefined;
      this.#waiters.shift()!.take(connection);
    }
    const room = this.#settings.connections - this.#open - this.#opening - this.#doubted.size;
    const wanted = Math.min(this.#waiters.length - this.#opening, room, MOST_OPENING - this.#opening);
    for (let i = 0; i < wanted; i += 1) void this.#openOne();
  }

  async #openOne(): Promise<void> {
    this.#opening += 1;
    try {
      const connection = await openRaced(this.#origin, this.#settings, this.#closing.signal);
      this.#opening -= 1;
      this.#open += 1;
      this.#hand(connection);
    } catch (error) {
      this.#opening -= 1;
      this.#waiters.shift()?.fail(error instanceof NotConnected ? error : new NotConnected(error));
      this.#serve();
    }
  }

  /** To one who waits even if it has been closed since: a server that closes after each answer serves one by one. */
  #hand(connection: Connection): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.giveBack(connection);
    else waiter.take(connection);
  }
}

/** @throws {NotConnected} the first failure, when all have failed or the time is over */
async function openRaced(
  origin: string,
  settings: ConnectionSettings,
  signal: AbortSignal,
): Promise<Connection> {
  const startMs = performance.now();
  const ending = new AbortController();
  const end = (): void => ending.abort();
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  let timer: NodeJS.Timeout | undefined;
  let turn: NodeJS.Immediate | undefined;
  try {
    return await new Promise<Connection>((resolve, reject) => {
      let winner: Connection | undefined;
      let first: NotConnected | undefined;
      let started = 0;
      let running = 0;
      const start = (): void => {
        const leftMs = settings.openTimeoutMs - (performance.now() - startMs);
        if (leftMs <= 0) return;
        started += 1;
        running += 1;
        const delayMs = RACE_DELAYS_MS[started - 1];
        // This process itself may have stood still: what came meanwhile is read first.
        if (delayMs !== undefined) timer = setTimeout(() => (turn = setImmediate(start)), delayMs);
        Connection.open(origin, { ...settings, openTimeoutMs: Math.ceil(leftMs) }, ending.signal).then(
          (connection) => {
            if (winner !== undefined) return connection.destroy();
            winner = connection;
            resolve(connection);
          },
          (error: NotConnected) => {
            running -= 1;
            first ??= error;
            // A refusal is an answer, and comes at once: the caller has other addresses to ask, and pauses.
            if (running === 0) reject(first);
          },
        );
      };
      start();
    });
  } finally {
    clearTimeout(timer);
    clearImmediate(turn);
    signal.removeEventListener("abort", end);
    end();
  }
}
