import createClient, { type Middleware } from "openapi-fetch";

import { words } from "../words";
import { Problem, problemOfAnswer } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** What mutating calls prove that they come from our own page with. */
let csrfToken: string | null = null;

/** Called when the server no longer knows the session. */
let onSessionEnd: () => void = () => undefined;

/** Remembers the token of the session that begins. */
export function holdSession(session: Schemas["Session"] | null): void {
  csrfToken = session?.csrfToken ?? null;
}

/** Says who is told that the session has ended. */
export function whenSessionEnds(told: () => void): void {
  onSessionEnd = told;
}

const credentials: Middleware = {
  onRequest({ request }) {
    if (csrfToken !== null && !["GET", "HEAD"].includes(request.method)) {
      request.headers.set("X-CSRF-Token", csrfToken);
    }
    return request;
  },
};

const client = createClient<paths>({ baseUrl: location.origin, querySerializer: { array: { explode: false, style: "form" } } });
client.use(credentials);

/** The calls of the API, with paths, parameters and bodies checked against its document. */
export const api = client;

/** The address of the API's start, as programs outside the browser call it. */
export const serverUrl = location.origin;

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** What the call answers; throws a {@link Problem} where it failed or nobody answered. */
export async function answered<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem({ detail: words.problem.unreachable, code: "unreachable" });
  }
  if (answer.response.ok) return answer.data as T;
  const problem = problemOfAnswer(answer.response, answer.error);
  if (problem.isUnauthenticated) onSessionEnd();
  throw problem;
}
