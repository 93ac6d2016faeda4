import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { answered, api, holdSession, type Schemas } from "./client";
import { problemOf } from "./problem";

export const SESSION = ["session"];

/** Who is signed in; null where nobody is. */
export function useSession() {
  return useQuery({
    queryKey: SESSION,
    staleTime: Infinity,
    queryFn: async (): Promise<Schemas["Session"] | null> => {
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

/** Begins a session, with a password or by accepting an invitation. */
export function useBegin() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (asked: Schemas["Credentials"] | Schemas["AcceptedInvitation"]) =>
      "token" in asked
        ? answered(api.POST("/api/v1/invitations/accept", { body: asked }))
        : answered(api.POST("/api/v1/session", { body: asked })),
    onSuccess: (session) => {
      holdSession(session);
      // What failed without a session is asked again.
      cache.removeQueries({ predicate: (query) => query.queryKey[0] !== SESSION[0] });
      cache.setQueryData(SESSION, session);
    },
  });
}

/** Ends the session, and forgets what it has shown. */
export function useSignOut() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: () => answered(api.DELETE("/api/v1/session")),
    onSuccess: () => {
      holdSession(null);
      cache.removeQueries({ predicate: (query) => query.queryKey[0] !== SESSION[0] });
      cache.setQueryData(SESSION, null);
    },
  });
}
