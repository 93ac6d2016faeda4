import { focusManager, QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Schemas } from "./client";

vi.stubGlobal("location", { origin: "http://outgest.test" });
vi.stubGlobal("sessionStorage", { setItem: () => undefined });
const { answered, api, holdSession, whenSessionEnds, whenSessionIsRenewed } = await import("./client");
const { beginSession, endSession, renewSession, SESSION } = await import("./session");

const sessionOf = (id: string, csrfToken: string) => ({ user: { id, name: id }, key: null, until: null, csrfToken }) as unknown as Schemas["Session"];
const json = (status: number, body: unknown) => new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

/** What arrived: method, path, token and body. */
let arrived: string[] = [];

/** A server whose session another tab has begun: only its token is taken. */
function serve(session: Response | null, token: string) {
  vi.stubGlobal("fetch", async (what: Request | string, how?: RequestInit) => {
    const request = new Request(what, how);
    const sent = request.headers.get("X-CSRF-Token");
    arrived.push([request.method, new URL(request.url).pathname.split("/").at(-1), sent, await request.text()].filter(Boolean).join(" "));
    if (request.url.endsWith("/session")) return session!.clone();
    return sent === token ? json(200, { id: "made" }) : json(403, { status: 403, code: "csrf", detail: "the X-CSRF-Token header is missing or wrong" });
  });
}

const create = (table: string) => answered(api.POST("/api/v1/projects/{project}/exports", { params: { path: { project: "shop" } }, body: { table } }));

let cache: QueryClient;

beforeEach(() => {
  arrived = [];
  cache = new QueryClient();
  whenSessionEnds(() => endSession(cache));
  whenSessionIsRenewed((session) => renewSession(cache, session));
  beginSession(cache, sessionOf("ada", "old"));
  cache.setQueryData(["rows"], "what was shown");
});

afterEach(() => {
  cache.clear();
  holdSession(null);
  focusManager.setFocused(undefined);
});

describe("a call that changes something, after another tab began a session", () => {
  it("is sent once more with the token of that, which is asked for once", async () => {
    serve(json(200, sessionOf("ada", "new")), "new");
    await Promise.all([create("events"), create("scores")]);
    expect(arrived.filter((call) => call.startsWith("GET session"))).toHaveLength(1);
    expect(arrived.filter((call) => call === 'POST exports new {"table":"events"}')).toHaveLength(1);
    expect(arrived.filter((call) => call === 'POST exports new {"table":"scores"}')).toHaveLength(1);
    expect(cache.getQueryData(["rows"])).toBe("what was shown");
    arrived = [];
    await create("traces");
    expect(arrived).toEqual(['POST exports new {"table":"traces"}']);
  });

  it("is not sent in the name of somebody else, and what was shown is forgotten", async () => {
    serve(json(200, sessionOf("vera", "new")), "new");
    await expect(create("events")).rejects.toMatchObject({ code: "csrf" });
    expect(arrived).toEqual(['POST exports old {"table":"events"}', "GET session"]);
    expect(cache.getQueryData<Schemas["Session"]>(SESSION)?.user?.id).toBe("vera");
    expect(cache.getQueryData(["rows"])).toBe(undefined);
  });

  it("ends the session here, where there is none any more", async () => {
    serve(json(401, { status: 401, code: "unauthenticated", detail: "sign in" }), "new");
    await expect(create("events")).rejects.toMatchObject({ status: 401 });
    expect(cache.getQueryData(SESSION)).toBe(null);
  });

  it("is sent once more at most", async () => {
    serve(json(200, sessionOf("ada", "new")), "yet another");
    await expect(create("events")).rejects.toMatchObject({ code: "csrf" });
    expect(arrived.map((call) => call.split(" ")[1])).toEqual(["exports", "session", "exports"]);
  });
});

describe("a session that ended", () => {
  it("leaves what was shown to the same person, who is shown it anew", () => {
    endSession(cache);
    expect(cache.getQueryData(SESSION)).toBe(null);
    expect(focusManager.isFocused()).toBe(false);
    beginSession(cache, sessionOf("ada", "new"));
    expect(cache.getQueryData(["rows"])).toBe("what was shown");
    expect(cache.getQueryState(["rows"])?.isInvalidated).toBe(true);
    expect(focusManager.isFocused()).toBe(true);
  });

  it("leaves nothing to another", () => {
    endSession(cache);
    beginSession(cache, sessionOf("vera", "new"));
    expect(cache.getQueryData(["rows"])).toBe(undefined);
  });
});
