import { useState } from "react";

import type { Table } from "../../api/catalog";
import type { Schemas } from "../../api/client";
import type { Problem } from "../../api/problem";
import { useKeys } from "../../app/keys";
import { Hint } from "../../parts/button";
import { Icon } from "../../parts/icons";
import { words } from "../../words";
import { Chips } from "./chips";
import { FilterEditor } from "./editor";
import { replaceAt, type Filter } from "./model";
import { TextFilters } from "./text";

interface FilterBarProps {
  table: Table;
  filter: Filter[];
  /** Filters that could not be read. */
  unread?: string[];
  where: string[];
  /** The rows that suggestions are counted in. */
  rows: Schemas["RowsRequest"];
  /** Why the server refused the filters, if it did. */
  problem: Problem | null;
  /** Whether `f` adds a filter: not where there are several bars. */
  keys?: boolean;
  onChange: (change: { filter?: Filter[]; unread?: string[]; where?: string[] }) => void;
}

/** Every filter as a chip, and the way to add one. */
export function FilterBar({ table, filter, unread = [], where, rows, problem, keys = true, onChange }: FilterBarProps) {
  const [adding, setAdding] = useState(false);
  useKeys(keys ? { f: () => setAdding(true) } : {});
  return (
    <div className="chips" role="group" aria-label={words.explore.filter.bar}>
      <FilterEditor
        table={table}
        rows={rows}
        open={adding}
        onOpenChange={setAdding}
        onDone={(condition) => onChange({ filter: [...filter, condition] })}
      >
        <button type="button" className="button" data-size="small">
          <Icon name="filter" />
          {words.explore.filter.add}
        </button>
      </FilterEditor>
      <Chips
        table={table}
        rows={rows}
        filters={filter}
        all={filter}
        path={[]}
        problem={problem}
        onChange={(path, next) => onChange({ filter: replaceAt(filter, path, next) })}
      />
      {unread.map((text, index) => (
        <UnreadChip key={index} text={text} remove={() => onChange({ unread: unread.filter((_, at) => at !== index) })} />
      ))}
      <TextFilters where={where} problem={problem} onChange={(next) => onChange({ where: next })} />
    </div>
  );
}

/** A filter of the address that nobody can read; it can only be removed. */
function UnreadChip({ text, remove }: { text: string; remove: () => void }) {
  const { unread, removeNamed } = words.explore.filter;
  return (
    <span className="chip" data-wrong="">
      <Hint text={unread}>
        <span className="chip-text" tabIndex={0}>
          <Icon name="warning" size={14} />
          <code className="clip" style={{ maxWidth: 420 }}>
            {text}
          </code>
        </span>
      </Hint>
      <span className="hidden">{unread}</span>
      <button type="button" className="chip-end" aria-label={removeNamed(text)} onClick={remove}>
        <Icon name="cross" size={12} />
      </button>
    </span>
  );
}
