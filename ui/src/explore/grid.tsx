import { getCoreRowModel, useReactTable, type ColumnDef } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useMemo, useRef, useState, type CSSProperties } from "react";

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
  onOpen: (index: number) => void;
  onSelect: (key: string) => void;
  order: Schemas["RowsOrder"];
  onOrder: (order: Schemas["RowsOrder"]) => void;
  onReorder: (columns: string[]) => void;
}

const ROW_HEIGHT = 30;
const BOX_WIDTH = 34;

/** Rows from the end, at which the next page is asked for: it is there before the scrolling is. */
const AHEAD = 40;

/** The table: of however many rows only those in view are drawn. */
export function Grid({ table, columns, rows, current, openKey, selected, hasMore, loadMore, order, onOpen, onSelect, onOrder, onReorder }: GridProps) {
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
    scrollPaddingStart: ROW_HEIGHT,
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
      tabIndex={0}
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
              top={item.start}
              isCurrent={item.index === current}
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
  isCurrent: boolean;
  isOpen: boolean;
  isSelected: boolean;
  onOpen: (index: number) => void;
  onSelect: (key: string) => void;
}

const GridRow = memo(function GridRow({ table, columns, row, index, top, isCurrent, isOpen, isSelected, onOpen, onSelect }: GridRowProps) {
  const cells = row.cells as Cells;
  return (
    <div
      className="grid-row"
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      data-current={isCurrent ? "" : undefined}
      data-open={isOpen ? "" : undefined}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onOpen(index)}
    >
      <div className="grid-cell box" role="gridcell">
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
      {columns.map((name) => (
        <div key={name} className="grid-cell" role="gridcell" data-column={name} data-end={isNumeric(table, name) ? "" : undefined}>
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
