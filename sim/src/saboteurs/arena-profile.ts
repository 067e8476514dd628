/** What a hostile world does, and how often: rare faults need schedules that lean towards them. */

export type ArenaAction =
  | "deliver"
  | "disk"
  | "write"
  | "map"
  | "time"
  | "promote"
  | "refill"
  | "remove"
  | "crash"
  | "start"
  | "wipe"
  | "disconnect"
  | "handOff"
  | "read"
  | "reset";

export interface ArenaProfile {
  readonly nodes: number;
  /** Of the nodes, how many hold an in-sync copy at the start; the others are being filled. */
  readonly inSync: number;
  readonly steps: number;
  readonly weights: Readonly<Record<ArenaAction, number>>;
  /** Of delivered messages. */
  readonly lossRate: number;
  readonly doubleRate: number;
  /** A message is taken out of so many oldest. */
  readonly reorderWithin: number;
  /** Of promotions, how many take the old primary, or all others, out of the set in the same step. */
  readonly dropRate: number;
  /** At the end everything is healed and must come to rest with all copies equal. */
  readonly quietDown: boolean;
  /** Log entries that ticks keep, at most: few make snapshots frequent. */
  readonly keepEntries: number;
  /**
   * - empty: nobody holds anything
   * - powerLoss: the in-sync copies hold an entry that was acknowledged and that their checkpoints have not
   *   reached; those being filled do not hold it
   * - lateMismatch: the members' logs are trimmed; those being filled hold all of them, have an old
   *   checkpoint, and from the time when they were empty their request to be filled is still on its way
   */
  readonly start: "empty" | "powerLoss" | "lateMismatch";
}

const BASE: ArenaProfile = {
  nodes: 3,
  inSync: 1,
  steps: 400,
  weights: {
    deliver: 42,
    disk: 20,
    write: 10,
    map: 10,
    time: 7,
    promote: 1.2,
    refill: 1.8,
    remove: 0.3,
    crash: 0.8,
    start: 2,
    wipe: 0.1,
    disconnect: 0.5,
    handOff: 0.3,
    read: 4,
    reset: 0,
  },
  lossRate: 0.03,
  doubleRate: 0.05,
  reorderWithin: 12,
  dropRate: 0.3,
  quietDown: true,
  keepEntries: 12,
  start: "empty",
};

function leaning(change: Partial<ArenaProfile>, weights: Partial<ArenaProfile["weights"]>): ArenaProfile {
  return { ...BASE, ...change, weights: { ...BASE.weights, ...weights } };
}

/** By the name that saboteurs ask for. */
export const ARENA_PROFILES = {
  /** A bit of everything. */
  mixed: BASE,
  /** Terms change all the time, and messages of old ones arrive late. */
  terms: leaning(
    { nodes: 3, inSync: 3, steps: 160, doubleRate: 0.2, reorderWithin: 40, lossRate: 0.02 },
    { promote: 6, crash: 0.5, write: 14, refill: 1, time: 3 },
  ),
  /** Two copies, whose answers arrive terms later. */
  lateAnswers: leaning(
    { nodes: 2, inSync: 2, steps: 120, doubleRate: 0.4, reorderWithin: 80, lossRate: 0.01 },
    { promote: 8, crash: 0.3, write: 16, refill: 0.5, time: 2, deliver: 36 },
  ),
  /** Copies lose their memory all the time, and disks are slow. */
  restarts: leaning(
    { nodes: 3, inSync: 3, steps: 200, reorderWithin: 30 },
    { crash: 6, start: 12, promote: 4, disk: 12, write: 14, time: 4 },
  ),
  /** Copies come, join, and are given up all the time. */
  joins: leaning(
    { nodes: 3, inSync: 1, steps: 250, doubleRate: 0.15, reorderWithin: 30 },
    { refill: 6, remove: 2, disconnect: 3, map: 6, promote: 1.5, time: 9 },
  ),
  /** Logs are short, so copies are filled by snapshots, which come late and twice. */
  snapshots: leaning(
    { nodes: 3, inSync: 1, steps: 300, doubleRate: 0.3, reorderWithin: 30, keepEntries: 1 },
    { refill: 6, remove: 2, crash: 3, start: 8, time: 14, disconnect: 1.5 },
  ),
  /** Four copies that restart and get their maps quickly, over a network that loses much. */
  forgetfulCopies: leaning(
    { nodes: 4, inSync: 3, steps: 320, lossRate: 0.16, doubleRate: 0.11, reorderWithin: 11, keepEntries: 1 },
    { deliver: 12, disk: 21, write: 5, map: 27, time: 9, promote: 3.4, refill: 6.7, crash: 17, start: 19 },
  ),
  /** A snapshot is on its way to a copy that the log has brought further. */
  lateSnapshots: leaning(
    { nodes: 2, inSync: 1, steps: 120, doubleRate: 0.3, reorderWithin: 8, start: "lateMismatch" },
    { write: 14, promote: 0.2, crash: 2, start: 10, refill: 2, time: 4, map: 8, disk: 30 },
  ),
  /** A new primary with an old checkpoint, and copies that wait to join. */
  earlyJoins: leaning(
    { nodes: 3, inSync: 2, steps: 80, reorderWithin: 30, start: "powerLoss" },
    { promote: 6, write: 3, time: 8, refill: 4, disk: 12, crash: 1 },
  ),
  /** People reset the shard to one copy, and the others come back with another history. */
  resets: leaning(
    { nodes: 3, inSync: 3, steps: 250 },
    { reset: 2, crash: 2, start: 6, refill: 6, write: 14 },
  ),
  /** Strong reads against a primary that is being replaced. */
  reads: leaning(
    { nodes: 3, inSync: 3, steps: 150, doubleRate: 0.1, reorderWithin: 6, quietDown: false, dropRate: 0.8 },
    {
      read: 30,
      promote: 5,
      write: 10,
      crash: 0.2,
      refill: 0.5,
      time: 1.5,
      handOff: 0,
      deliver: 80,
      disk: 40,
      map: 5,
    },
  ),
  /** The same of two copies, with a network that is slower than everything else. */
  slowAnswers: leaning(
    { nodes: 2, inSync: 2, steps: 90, doubleRate: 0.02, reorderWithin: 6, quietDown: false, dropRate: 0.9 },
    {
      read: 20,
      promote: 5,
      write: 14,
      crash: 0.1,
      refill: 0.3,
      time: 1,
      handOff: 0,
      deliver: 14,
      disk: 34,
      map: 10,
      remove: 0,
    },
  ),
  /** The same of two copies, in short runs, with answers that arrive twice and late. */
  readsOfTwo: leaning(
    { nodes: 2, inSync: 2, steps: 90, doubleRate: 0.5, reorderWithin: 12, quietDown: false, dropRate: 0.9 },
    {
      read: 20,
      promote: 4,
      write: 10,
      crash: 0.1,
      refill: 0.3,
      time: 1.5,
      handOff: 0,
      disk: 30,
      map: 6,
      remove: 0,
    },
  ),
  /** Strong reads while copies join and are promoted at once. */
  readsAndJoins: leaning(
    { nodes: 2, inSync: 1, steps: 120, doubleRate: 0.1, reorderWithin: 8, quietDown: false, dropRate: 0.9 },
    { read: 20, promote: 5, write: 10, map: 6, refill: 4, time: 3, handOff: 0, disk: 30, crash: 0.2 },
  ),
} as const satisfies Record<string, ArenaProfile>;

export type ArenaProfileName = keyof typeof ARENA_PROFILES;
