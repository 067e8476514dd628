import type { ApiClient, ObjectPage, RequestOptions, Selection } from "./api-client.js";
import { ApiError } from "./api-error.js";
import type { KubeObject, Stored } from "./kube-object.js";
import type { Resource } from "./resource.js";

export interface ListAllOptions extends Selection, RequestOptions {
  /** Objects in one page. Default 500. */
  readonly pageSize?: number | undefined;
}

/** Times that a list is begun anew because its later pages had expired. */
const MAX_RESTARTS = 3;

/**
 * All objects as they were at one moment, page by page. When the later pages are forgotten meanwhile (410),
 * begins again; a list that is too slow for its pages each time is read in one piece at last.
 */
export async function listAll<T extends KubeObject>(
  client: Pick<ApiClient, "list">,
  resource: Resource,
  options: ListAllOptions = {},
): Promise<{ readonly items: readonly Stored<T>[]; readonly resourceVersion: string }> {
  const { pageSize = 500, ...selection } = options;
  for (let restarts = 0; ; restarts++) {
    const limit = restarts < MAX_RESTARTS ? pageSize : undefined;
    const items: Stored<T>[] = [];
    let page: ObjectPage<T> | undefined;
    try {
      do {
        page = await client.list<T>(resource, { ...selection, limit, continue: page?.nextPage });
        items.push(...page.items);
      } while (page.nextPage !== undefined);
      return { items, resourceVersion: page.resourceVersion };
    } catch (error) {
      const isLaterPage = page !== undefined;
      if (!(error instanceof ApiError && error.isExpired && isLaterPage && limit !== undefined)) throw error;
    }
  }
}
