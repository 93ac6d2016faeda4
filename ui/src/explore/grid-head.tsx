import type { Header, Table as Model } from "@tanstack/react-table";
import { useState, type DragEvent } from "react";

import { columnOf, type Table } from "../api/catalog";
import type { Schemas } from "../api/client";
import { Icon } from "../parts/icons";
import { words } from "../words";
import { isNumeric, WIDTH_MAX, WIDTH_MIN } from "./columns";
import type { Row } from "./rows";

interface GridHeadProps {
  table: Table;
  model: Model<Row>;
  columns: string[];
  order: Schemas["RowsOrder"];
  onReorder: (columns: string[]) => void;
  onOrder: (order: Schemas["RowsOrder"]) => void;
}

/** By how many pixels an arrow key changes a width. */
const NUDGE = 16;

/**
 * Names of the columns: dragged to another place, or wider and narrower at their edge. That of the time that orders the
 * rows turns them round.
 */
export function GridHead({ table, model, columns, order, onReorder, onOrder }: GridHeadProps) {
  const [dragged, setDragged] = useState<string | null>(null);
  const [over, setOver] = useState<string | null>(null);
  const drop = (target: string) => {
    if (dragged && dragged !== target) {
      const rest = columns.filter((name) => name !== dragged);
      const forwards = columns.indexOf(dragged) < columns.indexOf(target);
      rest.splice(rest.indexOf(target) + Number(forwards), 0, dragged);
      onReorder(rest);
    }
    setDragged(null);
    setOver(null);
  };
  const side = (name: string) => {
    if (!dragged || name !== over || name === dragged) return undefined;
    return columns.indexOf(dragged) < columns.indexOf(name) ? "after" : "before";
  };
  return (
    <div className="grid-head" role="row" aria-rowindex={1}>
      <div className="grid-th" role="columnheader">
        <span className="hidden">{words.explore.selection}</span>
      </div>
      {model.getFlatHeaders().map((header) => (
        <div
          key={header.id}
          className="grid-th"
          role="columnheader"
          aria-sort={header.id !== table.timeColumn ? undefined : order === "oldest_first" ? "ascending" : "descending"}
          data-end={isNumeric(table, header.id) ? "" : undefined}
          data-drop={side(header.id)}
          // Score columns come last, whatever stands before them.
          draggable={columnOf(table, header.id) !== undefined}
          onDragStart={(event: DragEvent) => {
            setDragged(header.id);
            event.dataTransfer.effectAllowed = "move";
          }}
          onDragOver={(event: DragEvent) => {
            if (!dragged) return;
            event.preventDefault();
            setOver(header.id);
          }}
          onDrop={() => drop(header.id)}
          onDragEnd={() => drop(dragged ?? "")}
        >
          {header.id === table.timeColumn ? (
            <Turn title={String(header.column.columnDef.header)} order={order} onOrder={onOrder} />
          ) : (
            <span className="clip" title={header.id}>
              {String(header.column.columnDef.header)}
            </span>
          )}
          <Edge header={header} setSize={(size) => model.setColumnSizing((now) => ({ ...now, [header.id]: size }))} />
        </div>
      ))}
    </div>
  );
}

/** Turns the rows round. */
function Turn({ title, order, onOrder }: { title: string; order: Schemas["RowsOrder"]; onOrder: GridHeadProps["onOrder"] }) {
  const other = order === "oldest_first" ? "newest_first" : "oldest_first";
  return (
    <button type="button" className="grid-turn" data-order={order} title={words.explore.turn[other]} onClick={() => onOrder(other)}>
      <span className="clip">{title}</span>
      <Icon name="chevron" size={12} />
    </button>
  );
}

function Edge({ header, setSize }: { header: Header<Row, unknown>; setSize: (size: number) => void }) {
  const resize = header.getResizeHandler();
  const size = header.getSize();
  return (
    <div
      className="grid-resize"
      role="separator"
      aria-orientation="vertical"
      aria-label={words.explore.resize(String(header.column.columnDef.header))}
      aria-valuenow={size}
      aria-valuemin={WIDTH_MIN}
      aria-valuemax={WIDTH_MAX}
      tabIndex={0}
      data-active={header.column.getIsResizing() ? "" : undefined}
      draggable
      onDragStart={(event) => {
        // The edge is pulled, not the column.
        event.preventDefault();
        event.stopPropagation();
      }}
      onMouseDown={resize}
      onTouchStart={resize}
      onDoubleClick={() => header.column.resetSize()}
      onKeyDown={(event) => {
        const by = { ArrowLeft: -NUDGE, ArrowRight: NUDGE }[event.key];
        if (by === undefined) return;
        // The table would scroll sideways.
        event.preventDefault();
        setSize(Math.min(Math.max(size + by, WIDTH_MIN), WIDTH_MAX));
      }}
    />
  );
}
