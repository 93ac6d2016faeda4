import { summary } from "../explore/filters/model";
import { words } from "../words";
import type { Integration } from "./calls";
import { scheduleWords } from "./schedule";

/** How an integration is set up, to be read. */
export function Settings({ known }: { known: Integration }) {
  const text = words.integrations.form;
  const tables = known.tables.map((table) =>
    [table.table, table.groups.join(", "), summary(table.filter), ...table.where, ...table.masks].filter(Boolean).join(" · "),
  );
  const facts: [string, string][] = [
    [text.kind, known.kind],
    ...Object.entries(known.options).map(([name, value]): [string, string] => [name, value]),
    ...known.secrets.map((name): [string, string] => [name, "••••••••"]),
    [text.tables, tables.join("\n")],
    [words.integrations.sections.when, scheduleWords(known.schedule)],
    [text.start, known.start.at ?? text.startOptions[known.start.from]!],
    [text.cursor, words.explore.range.timestamps[known.cursor]!],
    [text.lag, String(known.lagSeconds)],
    [text.deletions, text.deletionsOptions[known.deletions]!],
    ...(known.files
      ? [
          [text.format, [known.files.format, known.files.compression].filter((part) => part !== "none").join(", ")] as [string, string],
          [text.template, known.files.template] as [string, string],
          [text.schema, text.schemaOptions[known.files.schema]!] as [string, string],
        ]
      : []),
  ];
  return (
    <dl className="facts column">
      {facts.map(([name, value], index) => (
        <div key={index} style={{ display: "contents" }}>
          <dt>{name}</dt>
          <dd style={{ whiteSpace: "pre-line" }}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
