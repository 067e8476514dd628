/**
 * Order of `metadata.resourceVersion`. Kubernetes promises since 1.35 that those of one resource compare as
 * decimal numbers (KEP-5504), and etcd's revisions, which they are, always did.
 */

/** Below zero when `a` is older. Longer numbers are greater: they may outgrow what a double holds exactly. */
export function compareResourceVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
