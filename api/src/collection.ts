export type FieldSpec = { readonly name: string };
export type CollectionSpec = { readonly name: string };
