/** What is missing or wrong in a kubeconfig or a pod's service account. */
export class KubeConfigError extends Error {
  override name = "KubeConfigError";
}
