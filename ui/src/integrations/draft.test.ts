import { describe, expect, it } from "vitest";

import type { Integration, Kind } from "./calls";
import { draftOf, newDraft, settingsOf } from "./draft";

const kind = { name: "s3", takes: "files", tables: ["events", "traces", "scores"], options: { properties: { bucket: {}, region: {} } } } as unknown as Kind;

const events = { ...kind, name: "posthog", takes: "events", options: { properties: { host: {}, base_url: {}, project_name: {} } } } as unknown as Kind;

const files = { format: "csv", compression: "gzip", unicode: null, neutraliseFormulas: true, csvHeaderAlways: false, rollBytes: 5_000_000, prefix: "", template: "hive", eventTs: true, schema: "follow" };

const known = {
  name: "Lake",
  kind: "s3",
  options: { bucket: "exports" },
  tables: [{ table: "events", groups: [], filter: [], where: [], masks: ["input:redact"], columns: ["id"] }],
  schedule: { every: "hour", zone: "UTC" },
  start: { from: "history" },
  cursor: "ingested",
  lagSeconds: 300,
  catchUpMax: 4,
  deletions: "count",
  files,
} as unknown as Integration;

describe("a draft", () => {
  it("of an integration asks for what it is", () => {
    const settings = settingsOf(draftOf(known), true, kind);
    expect(settings).toMatchObject({ options: known.options, tables: known.tables, format: "csv", compression: "gzip", neutraliseFormulas: true, rollBytes: 5_000_000 });
    expect(settings.secrets).toEqual({});
  });

  it("says of what was taken away that it is none, because what is not said stays", () => {
    const draft = draftOf(known);
    expect(settingsOf({ ...draft, format: "parquet" }, false, kind)).toMatchObject({ compression: "none", neutraliseFormulas: false, csvHeaderAlways: false });
    expect(settingsOf({ ...draft, rollMegabytes: "" }, true, kind)).toMatchObject({ rollBytes: null });
    // What makes no sense is no way to say so.
    expect(settingsOf({ ...draft, rollMegabytes: "0" }, true, kind)).toMatchObject({ rollBytes: 0 });
    expect(settingsOf({ ...draft, rollMegabytes: "-5" }, true, kind)).toMatchObject({ rollBytes: -5_000_000 });
  });

  it("leaves a secret that is stored unless another one is entered, or it is taken away", () => {
    const secrets = { secret_access_key: "", session_token: null };
    expect(settingsOf({ ...draftOf(known), secrets }, true, kind).secrets).toEqual({ session_token: null });
    expect(settingsOf({ ...draftOf(known), secrets: { ...secrets, secret_access_key: "new" } }, true, kind).secrets).toEqual({ secret_access_key: "new", session_token: null });
  });

  it("for a kind that takes events says nothing of files", () => {
    const told = Object.keys(settingsOf(newDraft(events, "UTC", "Shop"), true, events));
    expect(told).not.toEqual(expect.arrayContaining(["format"]));
    expect(told).not.toEqual(expect.arrayContaining(["rollBytes"]));
  });

  it("begins with the name of the project where events have it, and says so where it was taken away", () => {
    expect(newDraft(kind, "UTC", "Shop").options).toEqual({});
    const draft = newDraft(events, "UTC", "Shop");
    expect(settingsOf(draft, true, events).options).toEqual({ project_name: "Shop" });
    const cleared = { host: "https://a", base_url: "", project_name: "" };
    expect(settingsOf({ ...draft, options: cleared }, true, events).options).toEqual({ host: "https://a", project_name: "" });
    const stored = { ...known, kind: "posthog", files: null, options: { host: "https://a", project_name: "Shop" } } as Integration;
    const change = draftOf(stored);
    expect(settingsOf(change, true, events).options).toEqual(stored.options);
    expect(settingsOf({ ...change, options: { ...change.options, project_name: "" } }, true, events).options).toEqual({ host: "https://a", project_name: "" });
    // One that was made without is not given one by being changed.
    expect(settingsOf(draftOf({ ...stored, options: { host: "https://a" } }), true, events).options).toEqual({ host: "https://a" });
  });
});
