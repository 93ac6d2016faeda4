import createClient from "openapi-fetch";

import { words } from "../words";
import { Problem, problemOfAnswer } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** What mutating calls prove that they come from our own page with. */
let csrfToken: string | null = null;

/** Called when the server no longer knows the session. */
let onSessionEnd: () => void = () => undefined;

/** Called with the session that took the place of ours; says whether it is the same person's. */
let onSessionRenewed: (session: Schemas["Session"]) => boolean = () => false;

/** Remembers the token of the session that begins. */
export function holdSession(session: Schemas["Session"] | null): void {
  csrfToken = session?.csrfToken ?? null;
}

/** Says who is told that the session has ended. */
export function whenSessionEnds(told: () => void): void {
  onSessionEnd = told;
}

/** Says who is told that another tab has begun a session. */
export function whenSessionIsRenewed(told: (session: Schemas["Session"]) => boolean): void {
  onSessionRenewed = told;
}

/**
 * Sends a call, with the proof where it needs one.
 *
 * All tabs have one cookie, and each has the token of the session that it knows. Where another tab has begun a session
 * since, the call is sent once more with the token of that, unless it is somebody else's: nobody does things in the
 * name of another because of what was on a page.
 */
async function send(request: Request): Promise<Response> {
  if (["GET", "HEAD"].includes(request.method)) return fetch(request);
  // A request that was cloned would be sent as a stream.
  const body = await request.text();
  const attempt = () => fetch(request.url, { method: request.method, headers: proven(request.headers), body: body || null, signal: request.signal });
  const sent = csrfToken;
  const answer = await attempt();
  if (!(await isUnproven(answer))) return answer;
  // Of several calls at once the first asks.
  renewal ??= renew(sent).finally(() => (renewal = null));
  const { session, isOurs } = await renewal;
  if (session?.status === 401) return session.clone();
  return isOurs ? attempt() : answer;
}

function proven(headers: Headers): Headers {
  if (csrfToken !== null) headers.set("X-CSRF-Token", csrfToken);
  return headers;
}

async function isUnproven(answer: Response): Promise<boolean> {
  if (answer.status !== 403) return false;
  const problem = (await answer.clone().json().catch(() => null)) as Partial<Schemas["Problem"]> | null;
  return problem?.code === "csrf";
}

interface Renewal {
  /** What the server says of the session; null where nobody had to ask. */
  session: Response | null;
  isOurs: boolean;
}

let renewal: Promise<Renewal> | null = null;

async function renew(sent: string | null): Promise<Renewal> {
  // Another call has got the token meanwhile.
  if (csrfToken !== sent) return { session: null, isOurs: true };
  const session = await fetch(`${location.origin}/api/v1/session`);
  const isOurs = session.ok && onSessionRenewed((await session.clone().json()) as Schemas["Session"]);
  return { session, isOurs };
}

const client = createClient<paths>({ baseUrl: location.origin, querySerializer: { array: { explode: false, style: "form" } }, fetch: send });

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
