/** A search as a program writes it: everything that has a default may be left out. */
export type {
  AggregationInput,
  CountRequestInput as CountInput,
  SearchQueryInput as QueryInput,
  SearchRequestInput as SearchInput,
  TextClauseInput,
  VectorClauseInput,
} from "@prism/api/search";
