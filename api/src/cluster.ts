export type ClusterSettings = { readonly placeholder: true };
