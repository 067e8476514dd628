/**
 * Milliseconds since 1970 that never go back while the process lives. With the wall clock itself, one
 * that is set back would keep maps from being sent and dead nodes from being noticed until it caught up.
 */
export function steadyNowMs(): number {
  return Math.floor(performance.timeOrigin + performance.now());
}
