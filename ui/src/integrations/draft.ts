import type { Schemas } from "../api/client";
import type { Filter } from "../explore/filters/model";
import { fromLocalField, toLocalField } from "../explore/ranges";
import type { Integration, Kind } from "./calls";

/** One table as the form holds it. */
export interface TableDraft {
  isExported: boolean;
  /** Separated by commas. */
  groups: string;
  filter: Filter[];
  where: string[];
  /** One per line. */
  masks: string;
  /** Columns that were chosen elsewhere; the form keeps them. */
  columns: string[];
}

/** Secrets by the option that they are of. */
export type Secrets = Record<string, string | null>;

/** An integration as the form holds it: everything that was entered, finished or not. */
export interface Draft {
  name: string;
  kind: string;
  options: Record<string, string>;
  /** What was entered; null takes the one away that is stored. */
  secrets: Secrets;
  tables: Record<string, TableDraft>;
  every: Schemas["Schedule"]["every"];
  minutes: string;
  expression: string;
  zone: string;
  start: Schemas["Start"]["from"];
  startAt: string;
  cursor: Schemas["Cursor"];
  lagSeconds: string;
  catchUpMax: string;
  deletions: Integration["deletions"];
  format: string;
  compression: Schemas["Compression"];
  prefix: string;
  template: string;
  schema: Schemas["Files"]["schema"];
  eventTs: boolean;
  neutraliseFormulas: boolean;
  rollMegabytes: string;
  paused: boolean;
}

/** Tables that integrations export, in the order of their files; a kind takes some of them. */
const TABLES = ["events", "observations", "generations", "traces", "scores"];

const USUAL_TABLES = ["events", "traces", "scores"];

const emptyTable = (isExported: boolean): TableDraft => ({ isExported, groups: "", filter: [], where: [], masks: "", columns: [] });

/**
 * The option that is the name of the project where nothing is said of it, when an integration is made, and what it was
 * when it is changed: that there is to be none is said with an empty one.
 */
const PROJECT_NAME = "project_name";

/** Options that a new integration of this kind begins with: the defaults that are the project's. */
export function newOptions(kind: Kind, projectName: string): Record<string, string> {
  const { properties = {} } = kind.options as { properties?: Record<string, unknown> };
  return PROJECT_NAME in properties ? { [PROJECT_NAME]: projectName } : {};
}

/** What a new integration begins with. */
export function newDraft(kind: Kind, zone: string, projectName: string): Draft {
  return {
    name: "",
    kind: kind.name,
    options: newOptions(kind, projectName),
    secrets: {},
    tables: Object.fromEntries(TABLES.map((name) => [name, emptyTable(USUAL_TABLES.includes(name))])),
    every: "hour",
    minutes: "15",
    expression: "30 6 * * 1-5",
    zone,
    start: "now",
    startAt: "",
    cursor: "ingested",
    lagSeconds: "300",
    catchUpMax: "4",
    deletions: "count",
    format: "parquet",
    compression: "none",
    prefix: "",
    template: "langfuse",
    schema: "follow",
    eventTs: true,
    neutraliseFormulas: false,
    rollMegabytes: "",
    paused: false,
  };
}

/** An integration to be changed. */
export function draftOf(known: Integration): Draft {
  const files = known.files;
  const tables = TABLES.map((name): [string, TableDraft] => {
    const table = known.tables.find((one) => one.table === name);
    if (!table) return [name, emptyTable(false)];
    return [
      name,
      {
        isExported: true,
        groups: table.groups.join(", "),
        filter: table.filter,
        where: table.where,
        masks: table.masks.join("\n"),
        columns: table.columns,
      },
    ];
  });
  return {
    name: known.name,
    kind: known.kind,
    options: known.options,
    secrets: {},
    tables: Object.fromEntries(tables),
    every: known.schedule.every,
    minutes: String(known.schedule.minutes ?? 15),
    expression: known.schedule.expression ?? "",
    zone: known.schedule.zone ?? "UTC",
    start: known.start.from,
    startAt: toLocalField(known.start.at ?? null),
    cursor: known.cursor,
    lagSeconds: String(known.lagSeconds),
    catchUpMax: String(known.catchUpMax),
    deletions: known.deletions,
    format: files?.format ?? "parquet",
    compression: (files?.compression as Schemas["Compression"] | undefined) ?? "none",
    prefix: files?.prefix ?? "",
    template: files?.template ?? "langfuse",
    schema: files?.schema ?? "follow",
    eventTs: files?.eventTs ?? true,
    neutraliseFormulas: files?.neutraliseFormulas ?? false,
    rollMegabytes: files?.rollBytes ? String(files.rollBytes / 1_000_000) : "",
    paused: false,
  };
}

/** The settings that both requests carry. Kinds that take events are told nothing of files. */
export function settingsOf(draft: Draft, isText: boolean, kind: Kind) {
  const given = <V extends string | null>(values: Record<string, V>) =>
    Object.fromEntries(Object.entries(values).filter(([name, value]) => name === PROJECT_NAME || value?.trim() !== ""));
  const lines = (text: string, by: string | RegExp) => text.split(by).map((part) => part.trim()).filter(Boolean);
  return {
    options: given(draft.options),
    secrets: given(draft.secrets),
    tables: Object.entries(draft.tables)
      .filter(([table, { isExported }]) => isExported && kind.tables.includes(table))
      .map(([table, { groups, filter, where, masks, columns }]) => ({
        table,
        groups: lines(groups, ","),
        columns: lines(groups, ",").length > 0 ? [] : columns,
        filter,
        where,
        masks: lines(masks, "\n"),
      })),
    schedule: {
      every: draft.every,
      zone: draft.zone || "UTC",
      ...(draft.every === "minutes" && { minutes: Number(draft.minutes) }),
      ...(draft.every === "cron" && { expression: draft.expression }),
    },
    start: { from: draft.start, ...(draft.start === "date" && { at: fromLocalField(draft.startAt) ?? "" }) },
    cursor: draft.cursor,
    lagSeconds: Number(draft.lagSeconds),
    catchUpMax: Number(draft.catchUpMax),
    ...(kind.takes === "files" && filesOf(draft, isText)),
  };
}

function filesOf(draft: Draft, isText: boolean) {
  return {
    deletions: draft.deletions,
    format: draft.format,
    compression: isText ? draft.compression : ("none" as const),
    prefix: draft.prefix,
    template: draft.template,
    schema: draft.schema,
    eventTs: draft.eventTs,
    // What is not given stays: what was taken away is said to be none.
    neutraliseFormulas: draft.format === "csv" && draft.neutraliseFormulas,
    ...(draft.format !== "csv" && { csvHeaderAlways: false }),
    rollBytes: draft.rollMegabytes === "" ? null : Math.round(Number(draft.rollMegabytes) * 1_000_000),
  };
}

/** What addresses begin with, where it is not the name of the kind. */
const SCHEMES: Record<string, string> = { azure: "az", gcs: "gs" };

/** `s3://bucket/prefix`, or the host of a receiver of events: where an integration exports to, in a form that people know. */
export function destinationOf(known: Integration): string {
  if (!known.files) return `${known.kind} ${known.options["host"] ?? known.options["region"] ?? ""}`.trim();
  return `${SCHEMES[known.kind] ?? known.kind}://${known.options["bucket"] ?? ""}/${known.files.prefix}`;
}
