import type { ReactNode } from "react";

import { summary } from "../explore/filters/model";
import { bytes, count } from "../format/numbers";
import { Time } from "../parts/time";
import { words } from "../words";
import { useKinds, type Integration } from "./calls";
import { labelOf } from "./options";
import { scheduleWords } from "./schedule";

type Fact = [name: string, value: ReactNode];

const { form: text, sections } = words.integrations;

/** How an integration is set up, to be read: the sections of its form. */
export function Settings({ known }: { known: Integration }) {
  const kind = useKinds().data?.find((one) => one.name === known.kind);
  return (
    <div className="column stack" style={{ gap: 24 }}>
      <Facts title={sections.connection} facts={connectionOf(known, kind?.title ?? known.kind)} />
      <Facts title={sections.what} facts={contentOf(known)} />
      <Facts title={sections.when} facts={timesOf(known)} />
      {known.files && <Facts title={sections.advanced} facts={filesOf(known.files, known.deletions)} />}
    </div>
  );
}

function Facts({ title, facts }: { title: string; facts: Fact[] }) {
  return (
    <section>
      <h3>{title}</h3>
      <dl className="facts" data-wide="" style={{ marginTop: 8 }}>
        {facts.map(([name, value]) => (
          <div key={name} style={{ display: "contents" }}>
            <dt>{name}</dt>
            <dd style={{ whiteSpace: "pre-line" }}>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const mono = (value: string) => <span className="mono">{value}</span>;

function connectionOf(known: Integration, kind: string): Fact[] {
  return [
    [text.kind, kind],
    ...Object.entries(known.options).map(([name, value]): Fact => [labelOf(name), value === "" ? words.none : mono(value)]),
    ...known.secrets.map((name): Fact => [labelOf(name), text.secretKept]),
    ...(known.files?.prefix ? [[text.prefix, mono(known.files.prefix)] as Fact] : []),
  ];
}

function contentOf(known: Integration): Fact[] {
  const tables = known.tables.map((table): Fact => {
    const parts = [table.groups.join(", "), table.columns.join(", "), summary(table.filter), ...table.where, ...table.masks];
    return [words.pages[table.table] ?? table.table, parts.filter(Boolean).join(" · ") || text.wholeTable];
  });
  if (!known.files) return tables;
  return [...tables, [text.format, [known.files.format, known.files.compression].filter((part) => part !== "none").join(", ")]];
}

function timesOf(known: Integration): Fact[] {
  return [
    [text.schedule, scheduleWords(known.schedule)],
    [text.start, known.start.at ? <Time at={known.start.at} /> : text.startOptions[known.start.from]!],
    [text.cursor, words.explore.range.timestamps[known.cursor]!],
    [text.lag, count(known.lagSeconds)],
    [text.catchUp, count(known.catchUpMax)],
  ];
}

function filesOf(files: NonNullable<Integration["files"]>, deletions: Integration["deletions"]): Fact[] {
  return [
    [text.deletions, text.deletionsOptions[deletions]!],
    [text.template, mono(files.template)],
    [text.schema, text.schemaOptions[files.schema]!],
    [text.eventTs, files.eventTs ? words.yes : words.no],
    ...(files.format === "csv" ? [[text.neutralise, files.neutraliseFormulas ? words.yes : words.no] as Fact] : []),
    ...(files.rollBytes ? [[text.rollAt, bytes(files.rollBytes)] as Fact] : []),
  ];
}
