/** The `Status` object that the API server answers instead of what was asked for (metav1.Status). */
export interface StatusBody {
  readonly kind: "Status";
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly name?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly {
      readonly reason?: string;
      readonly message?: string;
      readonly field?: string;
    }[];
  };
}

export interface ApiErrorFields {
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  /** metav1.StatusReason, such as `Conflict`; `Unreachable` or `Timeout` when no answer came. */
  readonly reason: string;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
  /** Reasons in `details.causes`, such as `DisruptionBudget` of a refused eviction. */
  readonly causes?: readonly string[] | undefined;
  /** The object that the answer is about. Unset when there is no such kind. */
  readonly objectName?: string | undefined;
}

/** An answer of the API server that is not the one asked for, or none at all. */
export class ApiError extends Error {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
  readonly causes: readonly string[];
  readonly objectName: string | undefined;

  constructor(fields: ApiErrorFields, options?: { cause?: unknown }) {
    super(fields.message, options);
    this.name = "ApiError";
    this.status = fields.status;
    this.reason = fields.reason;
    this.retryAfterMs = fields.retryAfterMs;
    this.causes = fields.causes ?? [];
    this.objectName = fields.objectName;
  }

  get isNotFound(): boolean {
    return this.status === 404;
  }

  /** The object has changed since it was read, or is another one of that name. */
  get isConflict(): boolean {
    return this.status === 409 && this.reason !== "AlreadyExists";
  }

  get isAlreadyExists(): boolean {
    return this.status === 409 && this.reason === "AlreadyExists";
  }

  /** The version, or the page, asked for is forgotten: list again. */
  get isExpired(): boolean {
    return this.status === 410;
  }

  /** The request may have been carried out: nobody answered. */
  get isUnanswered(): boolean {
    return this.status === 0;
  }
}

/** From an answer's body: a Status object, or whatever a proxy in between says. */
export function apiErrorOf(status: number, body: string, retryAfter?: string): ApiError {
  const parsed = parseStatus(body);
  const seconds = retryAfterSeconds(retryAfter) ?? parsed?.details?.retryAfterSeconds;
  return new ApiError({
    status: parsed?.code ?? status,
    reason: parsed?.reason || reasonOf(status),
    message: parsed?.message || `the API server answered ${status}: ${body.slice(0, 300)}`,
    retryAfterMs: seconds === undefined ? undefined : seconds * 1000,
    causes: parsed?.details?.causes?.flatMap(({ reason }) => reason ?? []),
    objectName: parsed?.details?.name,
  });
}

/** From the object of a watch's ERROR event. */
export function apiErrorOfStatus(status: StatusBody): ApiError {
  return apiErrorOf(status.code ?? 500, JSON.stringify(status));
}

function parseStatus(body: string): StatusBody | undefined {
  try {
    const value = JSON.parse(body) as StatusBody;
    return value?.kind === "Status" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Seconds only: the API server sends no dates. */
function retryAfterSeconds(header: string | undefined): number | undefined {
  return header !== undefined && /^\d+$/.test(header) ? Number(header) : undefined;
}

function reasonOf(status: number): string {
  switch (status) {
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 409:
      return "Conflict";
    case 410:
      return "Expired";
    case 429:
      return "TooManyRequests";
    default:
      return status >= 500 ? "InternalError" : "BadRequest";
  }
}
