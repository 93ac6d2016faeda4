import type { components } from "./schema";

type Body = components["schemas"]["Problem"];

/** What the server could not do, in its own words; or that it could not be reached. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;
  readonly fields: components["schemas"]["FieldProblem"][];
  /** Seconds after which the same call may work. */
  readonly retryAfter: number | null;

  constructor(body: Partial<Body> & { detail: string }) {
    super(body.detail);
    this.name = "Problem";
    this.status = body.status ?? 0;
    this.code = body.code ?? "unreachable";
    this.hint = body.hint ?? null;
    this.fields = body.problems ?? [];
    this.retryAfter = body.retryAfter ?? null;
  }

  /** Whether nothing answered: the server is down, or the network is. */
  get isUnreachable(): boolean {
    return this.code === "unreachable";
  }

  /** Whether the caller lacks the right. */
  get isForbidden(): boolean {
    return this.status === 403;
  }

  /** Whether there is no session any more. */
  get isUnauthenticated(): boolean {
    return this.status === 401;
  }

  /** Whether the same call may work a little later. */
  get mayPass(): boolean {
    return this.isUnreachable || this.status === 429 || this.status >= 500;
  }

  /** What of it is about a part of the request, with fields as they are called there: `filter[0]` of `tables[1]`. */
  within(place: string): Problem {
    const start = `${place}.`;
    const inside = this.fields.filter(({ field }) => field.startsWith(start));
    return new Problem({
      detail: this.message,
      status: this.status,
      code: this.code,
      problems: inside.map((problem) => ({ ...problem, field: problem.field.slice(start.length) })),
    });
  }

  /** The first problem of a field, by its name or the start of its path. */
  of(field: string): string | undefined {
    const found = this.fields.find((problem) => problem.field === field || problem.field.startsWith(`${field}[`));
    return found && [found.message, found.hint].filter(Boolean).join("; ");
  }
}

/** Any failure as a problem. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem({ detail: error instanceof Error ? error.message : String(error), code: "unreachable" });
}

/** A change that was asked for, as far as it is known what came of it. */
interface Asked {
  status: string;
  submittedAt: number;
  error: unknown;
}

/** Why the one of several changes failed that was asked for last; null where it did not, whatever came of those before. */
export function lastFailure(...changes: Asked[]): unknown {
  const asked = changes.filter(({ status }) => status !== "idle");
  const last = asked.sort((one, other) => other.submittedAt - one.submittedAt)[0];
  return last?.error ?? null;
}

/** What an answer that is no success says, even where a proxy and not the server wrote it. */
export function problemOfAnswer(response: Response, body: unknown): Problem {
  if (body && typeof body === "object" && "detail" in body && typeof body.detail === "string") {
    return new Problem(body as Body);
  }
  const isGateway = [502, 503, 504].includes(response.status);
  return new Problem({
    status: response.status,
    code: isGateway ? "unreachable" : "unknown",
    detail: `${response.status} ${response.statusText}`.trim(),
  });
}
