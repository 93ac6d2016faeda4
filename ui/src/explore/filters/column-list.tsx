import { useMemo, useState } from "react";

import type { Table } from "../../api/catalog";
import { words } from "../../words";
import { useListKeys } from "../../parts/list-keys";
import type { FilterColumn } from "./model";

/** Every column that can be filtered by, to be found by a part of its name. */
export function ColumnList({ table, choose }: { table: Table; choose: (column: FilterColumn) => void }) {
  const [wanted, setWanted] = useState("");
  const found = useMemo(() => {
    const text = wanted.trim().toLowerCase();
    const has = (column: FilterColumn) => column.title.toLowerCase().includes(text) || column.id.toLowerCase().includes(text);
    const starts = (column: FilterColumn) => Number(!column.title.toLowerCase().startsWith(text));
    return table.filters.filter(has).sort((a, b) => (text ? starts(a) - starts(b) : 0));
  }, [table, wanted]);
  const keys = useListKeys(found, choose);
  return (
    <div className="picker">
      <input
        className="input"
        role="combobox"
        aria-expanded="true"
        aria-label={words.explore.filter.find}
        placeholder={words.explore.filter.find}
        autoFocus
        value={wanted}
        onChange={(event) => setWanted(event.target.value)}
        {...keys.input}
      />
      <ul className="picker-list" {...keys.list} aria-label={words.explore.filter.find}>
        {found.map((column, index) => (
          <li key={column.id} className="menu-item" {...keys.option(index)}>
            <span className="clip">{column.title}</span>
            <span className="menu-end mono">{column.id}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="field-help">{words.explore.filter.noColumn}</p>}
    </div>
  );
}
