import { getCoreRowModel, useReactTable, type ColumnDef } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useId, useMemo, useRef, useState, type CSSProperties, type FocusEvent, type KeyboardEvent } from "react";

import type { Table } from "../api/catalog";
import type { Schemas } from "../api/client";
import { remember, remembered } from "../app/theme";
import { Icon } from "../parts/icons";
import { words } from "../words";
import { Cell } from "./cell";
import { isNumeric, titleOf, WIDTH_MAX, WIDTH_MIN, widthOf } from "./columns";
import { GridHead } from "./grid-head";
import { ID } from "./identity";
import type { Cells, Row } from "./rows";

interface GridProps {
  table: Table;
  columns: string[];
  rows: Row[];
  current: number;
  openKey: string | null;
  selected: ReadonlySet<string>;
  hasMore: boolean;
  loadMore: () => void;
  /** Goes to a row without opening it. */
  onGo: (index: number) => void;
  onOpen: (index: number) => void;
  onSelect: (key: string) => void;
  order: Schemas["RowsOrder"];
  onOrder: (order: Schemas["RowsOrder"]) => void;
  onReorder: (columns: string[]) => void;
}

const ROW_HEIGHT = 30;
const BOX_WIDTH = 34;

/** What the bar takes, at most, that columns are scrolled with. */
const SCROLLBAR = 16;

/** Rows from the end, at which the next page is asked for: it is there before the scrolling is. */
const AHEAD = 40;

/**
 * The table: of however many rows only those in view are drawn.
 *
 * Its rows are one stop for Tab, as the grid pattern of ARIA says: arrows move from cell to cell. The table keeps the focus and
 * names the cell that is meant, because rows that are scrolled out of view are taken away, and with them their focus.
 */
export function Grid({ table, columns, rows, current, openKey, selected, hasMore, loadMore, order, onGo, onOpen, onSelect, onOrder, onReorder }: GridProps) {
  const id = useId();
  const [at, setAt] = useState(0);
  const column = Math.min(at, columns.length);
  const scroller = useRef<HTMLDivElement>(null);
  const [widths, setWidths] = useWidths(table.name);
  const definitions = useMemo(
    () =>
      columns.map(
        (name): ColumnDef<Row> => ({
          id: name,
          accessorFn: (row) => (row.cells as Cells)[name],
          header: titleOf(name),
          size: widthOf(table, name),
          minSize: WIDTH_MIN,
          maxSize: WIDTH_MAX,
        }),
      ),
    [table, columns],
  );
  const model = useReactTable({
    data: rows,
    columns: definitions,
    getRowId: (row) => row.key,
    getCoreRowModel: getCoreRowModel(),
    columnResizeMode: "onChange",
    state: { columnSizing: widths },
    onColumnSizingChange: (change) => setWidths(typeof change === "function" ? change(widths) : change),
  });
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    // The heads stand above the rows, and stay there while rows are scrolled under them.
    scrollMargin: ROW_HEIGHT,
    scrollPaddingStart: ROW_HEIGHT,
    scrollPaddingEnd: SCROLLBAR,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const lastSeen = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && lastSeen >= rows.length - AHEAD) loadMore();
  }, [hasMore, lastSeen, rows.length, loadMore]);
  useEffect(() => {
    if (current >= 0) virtual.scrollToIndex(current);
  }, [current, virtual]);
  const cell = `${id}-${current}-${column}`;
  useEffect(() => {
    document.getElementById(cell)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [cell]);
  const move = (event: KeyboardEvent) => {
    // Edges and boxes within have keys of their own.
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / ROW_HEIGHT) - 2);
    const rowsBy = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page }[event.key];
    const columnTo = { ArrowRight: column + 1, ArrowLeft: column - 1, Home: 0, End: columns.length }[event.key];
    if (rowsBy !== undefined) onGo(Math.min(Math.max(current + rowsBy, 0), rows.length - 1));
    else if (columnTo !== undefined) setAt(Math.min(Math.max(columnTo, 0), columns.length));
    else if (event.key === " " && rows[current]) onSelect(rows[current].key);
    else return;
    // The table would scroll.
    event.preventDefault();
  };
  const enter = (event: FocusEvent) => {
    // Who comes by key is at a cell at once.
    if (event.target === event.currentTarget && current < 0 && event.currentTarget.matches(":focus-visible")) onGo(0);
  };
  const template = [`${BOX_WIDTH}px`, ...model.getVisibleLeafColumns().map((column) => `${column.getSize()}px`)].join(" ");
  return (
    <div
      ref={scroller}
      className="grid"
      role="grid"
      aria-label={words.pages[table.name] ?? table.name}
      aria-rowcount={hasMore ? -1 : rows.length + 1}
      aria-colcount={columns.length + 1}
      aria-multiselectable="true"
      aria-activedescendant={items.some((item) => item.index === current) ? cell : undefined}
      tabIndex={0}
      onKeyDown={move}
      onFocus={enter}
      style={{ "--columns": template } as CSSProperties}
    >
      <GridHead table={table} model={model} columns={columns} order={order} onReorder={onReorder} onOrder={onOrder} />
      <div role="rowgroup" style={{ position: "relative", height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index]!;
          return (
            <GridRow
              key={row.key}
              table={table}
              columns={columns}
              row={row}
              index={item.index}
              top={item.start - ROW_HEIGHT}
              id={id}
              column={item.index === current ? column : null}
              isOpen={row.key === openKey}
              isSelected={selected.has(row.key)}
              onOpen={onOpen}
              onSelect={onSelect}
            />
          );
        })}
      </div>
    </div>
  );
}

interface GridRowProps {
  table: Table;
  columns: string[];
  row: Row;
  index: number;
  top: number;
  /** What ids of cells begin with. */
  id: string;
  /** The cell where one is; null in other rows. */
  column: number | null;
  isOpen: boolean;
  isSelected: boolean;
  onOpen: (index: number) => void;
  onSelect: (key: string) => void;
}

const GridRow = memo(function GridRow({ table, columns, row, index, top, id, column, isOpen, isSelected, onOpen, onSelect }: GridRowProps) {
  const cells = row.cells as Cells;
  const place = (at: number) => ({ id: `${id}-${index}-${at}`, "aria-colindex": at + 1, "data-at": at === column ? "" : undefined });
  return (
    <div
      className="grid-row"
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      data-current={column === null ? undefined : ""}
      data-open={isOpen ? "" : undefined}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onOpen(index)}
    >
      <div className="grid-cell box" role="gridcell" {...place(0)}>
        <button
          type="button"
          role="checkbox"
          aria-checked={isSelected}
          aria-label={words.explore.selectRow(String(cells[ID] ?? row.key))}
          className="check-box"
          data-state={isSelected ? "checked" : "unchecked"}
          tabIndex={-1}
          onClick={(event) => {
            event.stopPropagation();
            onSelect(row.key);
          }}
        >
          {isSelected && <Icon name="check" size={12} />}
        </button>
      </div>
      {columns.map((name, at) => (
        <div key={name} className="grid-cell" role="gridcell" {...place(at + 1)} data-column={name} data-end={isNumeric(table, name) ? "" : undefined}>
          <Cell table={table} name={name} value={cells[name]} />
        </div>
      ))}
    </div>
  );
});

/** Widths that were set by hand, kept in this browser. */
function useWidths(table: string): [Record<string, number>, (widths: Record<string, number>) => void] {
  const key = `outgest.widths.${table}`;
  const [widths, setWidths] = useState<Record<string, number>>(() => {
    try {
      const kept: unknown = JSON.parse(remembered(key) ?? "{}");
      return kept && typeof kept === "object" ? (kept as Record<string, number>) : {};
    } catch {
      return {};
    }
  });
  return [
    widths,
    (next) => {
      setWidths(next);
      remember(key, JSON.stringify(next));
    },
  ];
}
