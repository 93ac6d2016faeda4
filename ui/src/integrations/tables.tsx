import { useState } from "react";

import { useCatalog } from "../api/catalog";
import type { Problem } from "../api/problem";
import { FilterBar } from "../explore/filters/bar";
import { Button } from "../parts/button";
import { Check, Field, TextField } from "../parts/fields";
import { Icon } from "../parts/icons";
import { words } from "../words";
import type { Kind } from "./calls";
import type { TableDraft } from "./draft";

interface TableFieldsProps {
  kind: Kind;
  tables: Record<string, TableDraft>;
  problem: Problem | null;
  onChange: (tables: Record<string, TableDraft>) => void;
}

/** Which tables are exported, and what of them. */
export function TableFields({ kind, tables, problem, onChange }: TableFieldsProps) {
  const shown = Object.entries(tables).filter(([name]) => kind.tables.includes(name));
  // The server counts the tables of the request.
  const asked = shown.filter(([, table]) => table.isExported).map(([name]) => name);
  return (
    <fieldset className="stack">
      <legend className="field-label">{words.integrations.form.tables}</legend>
      {shown.map(([name, table]) => (
        <TableField
          key={name}
          name={name}
          hasGroups={kind.takes === "files" && GROUPED.includes(name)}
          table={table}
          problem={problem && problem.within(`tables[${asked.indexOf(name)}]`)}
          onChange={(change) => onChange({ ...tables, [name]: { ...table, ...change } })}
        />
      ))}
      {problem?.of("tables") && <p className="field-problem">{problem.of("tables")}</p>}
    </fieldset>
  );
}

/** Tables whose columns come in groups. */
const GROUPED = ["events", "observations"];

interface TableFieldProps {
  name: string;
  hasGroups: boolean;
  table: TableDraft;
  /** What the server refused of this table. */
  problem: Problem | null;
  onChange: (change: Partial<TableDraft>) => void;
}

function TableField({ name, hasGroups, table, problem, onChange }: TableFieldProps) {
  const spec = useCatalog().data?.tables.find((known) => known.name === (name === "generations" ? "events" : name));
  const isRefused = (problem?.fields.length ?? 0) > 0;
  const isNarrowed = table.filter.length > 0 || table.where.length > 0 || table.masks !== "";
  const [wanted, setWanted] = useState(isNarrowed);
  const open = wanted || isRefused;
  const text = words.integrations.form;
  return (
    <div className="table-draft" data-on={table.isExported ? "" : undefined}>
      <Check checked={table.isExported} label={text.table(name)} onChange={(isExported) => onChange({ isExported })} />
      {table.isExported && (
        <div className="fields" style={{ paddingLeft: 24 }}>
          {hasGroups && (
            <TextField label={text.groups(name)} help={text.groupsHelp} className="input mono" value={table.groups} problem={problem?.of("groups")} onChange={(groups) => onChange({ groups })} />
          )}
          <div>
            <Button size="small" look="plain" aria-expanded={open} onClick={() => setWanted(!open)}>
              {text.narrow}
              <Icon name="chevron" size={12} />
            </Button>
          </div>
          {open && spec && (
            <div style={{ margin: "0 -16px" }}>
              <FilterBar table={spec} filter={table.filter} where={table.where} rows={{}} problem={problem} keys={false} onChange={onChange} />
            </div>
          )}
          {open && (
            <Field label={text.masks(name)} help={text.masksHelp} problem={problem?.of("masks")}>
              {(ids) => (
                <textarea
                  className="textarea mono"
                  {...ids}
                  spellCheck={false}
                  style={{ minHeight: 44 }}
                  value={table.masks}
                  onChange={(event) => onChange({ masks: event.target.value })}
                />
              )}
            </Field>
          )}
        </div>
      )}
    </div>
  );
}
