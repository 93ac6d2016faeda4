import { focusManager, skipToken, useMutation, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";

import { answered, api, holdSession, type Schemas } from "./client";
import { problemOf } from "./problem";

type Session = Schemas["Session"];

export const SESSION = ["session"];

/** The session that ended while pages were open, until one begins. */
const ENDED = ["session", "ended"];

/** Everything but who is there. */
const CONTENT = { predicate: ({ queryKey }: { queryKey: readonly unknown[] }) => queryKey[0] !== SESSION[0] };

/** Who is signed in; null where nobody is. */
export function useSession() {
  return useQuery({
    queryKey: SESSION,
    staleTime: Infinity,
    queryFn: async (): Promise<Session | null> => {
      try {
        const session = await answered(api.GET("/api/v1/session"));
        holdSession(session);
        return session;
      } catch (error) {
        if (problemOf(error).isUnauthenticated) return null;
        throw error;
      }
    },
  });
}

/** Whose session has ended, so that their pages are kept for them; null where it was signed out of, or nobody was there. */
export function useEnded(): Session | null {
  return useQuery<Session | null>({ queryKey: ENDED, queryFn: skipToken, initialData: null, gcTime: Infinity }).data ?? null;
}

/** Takes note that the server no longer knows the session. The pages stay, but ask for nothing by themselves. */
export function endSession(cache: QueryClient): void {
  const session = cache.getQueryData<Session | null>(SESSION);
  if (!session) return;
  holdSession(null);
  // What is asked for again and again is asked for by pages that are looked at only.
  focusManager.setFocused(false);
  cache.setQueryData(ENDED, session);
  cache.setQueryData(SESSION, null);
  sessionStorage.setItem("outgest.ended", "yes");
}

/** Takes note of a session that begins. What the same person was shown is asked for again, that of others forgotten. */
export function beginSession(cache: QueryClient, session: Session): void {
  const before = cache.getQueryData<Session | null>(SESSION) ?? cache.getQueryData<Session | null>(ENDED);
  holdSession(session);
  cache.setQueryData(SESSION, session);
  cache.setQueryData(ENDED, null);
  // What failed without a session is asked again, too.
  if (before && isOfSamePerson(before, session)) void cache.invalidateQueries(CONTENT);
  else cache.removeQueries(CONTENT);
  focusManager.setFocused(undefined);
}

/** Takes note of a session that was begun elsewhere; says whether it is the same person's. */
export function renewSession(cache: QueryClient, session: Session): boolean {
  const before = cache.getQueryData<Session | null>(SESSION);
  if (!before || !isOfSamePerson(before, session)) {
    beginSession(cache, session);
    return false;
  }
  holdSession(session);
  cache.setQueryData(SESSION, session);
  return true;
}

function isOfSamePerson(one: Session, other: Session): boolean {
  return one.user !== null && one.user.id === other.user?.id;
}

/** Begins a session, with a password or by accepting an invitation. */
export function useBegin() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (asked: Schemas["Credentials"] | Schemas["AcceptedInvitation"]) =>
      "token" in asked
        ? answered(api.POST("/api/v1/invitations/accept", { body: asked }))
        : answered(api.POST("/api/v1/session", { body: asked })),
    onSuccess: (session) => beginSession(cache, session),
  });
}

/** Ends the session, and forgets what it has shown. */
export function useSignOut() {
  const cache = useQueryClient();
  const forget = () => {
    holdSession(null);
    cache.removeQueries(CONTENT);
    cache.setQueryData(ENDED, null);
    cache.setQueryData(SESSION, null);
  };
  return useMutation({
    mutationFn: () => answered(api.DELETE("/api/v1/session")),
    onSuccess: forget,
    // It had ended by itself.
    onError: (error) => problemOf(error).isUnauthenticated && forget(),
  });
}
