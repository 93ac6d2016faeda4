import { Popover } from "radix-ui";
import { useState, type ReactNode } from "react";

import type { Table } from "../../api/catalog";
import type { Schemas } from "../../api/client";
import { IconButton } from "../../parts/button";
import { STAYS } from "../../parts/stays";
import { words } from "../../words";
import { ColumnList } from "./column-list";
import { ConditionForm } from "./condition-form";
import { filterColumnOf, type Condition } from "./model";

interface FilterEditorProps {
  table: Table;
  rows: Schemas["RowsRequest"];
  /** What is edited; a new one where not given. */
  condition?: Condition;
  open: boolean;
  onOpenChange: (open: boolean) => void;
  onDone: (condition: Condition) => void;
  /** The child only says where; something else opens it. */
  anchor?: boolean;
  children: ReactNode;
}

/** First the column, then operator and value: only what the catalog says that the column takes. */
export function FilterEditor({ table, rows, condition, open, onOpenChange, onDone, anchor, children }: FilterEditorProps) {
  const done = (next: Condition) => {
    onDone(next);
    onOpenChange(false);
  };
  return (
    <Popover.Root open={open} onOpenChange={onOpenChange}>
      {anchor ? (
        <Popover.Anchor asChild>
          <span style={{ display: "flex" }}>{children}</span>
        </Popover.Anchor>
      ) : (
        <Popover.Trigger asChild>{children}</Popover.Trigger>
      )}
      <Popover.Portal>
        <Popover.Content
          {...STAYS}
          className="popover"
          align="start"
          sideOffset={4}
          collisionPadding={8}
          aria-label={words.explore.filter.add}
          // It is opened from a menu, whose closing would take the focus away again.
          onFocusOutside={(event) => anchor && event.preventDefault()}
        >
          <Steps table={table} rows={rows} {...(condition && { condition })} done={done} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Steps({ table, rows, condition, done }: { table: Table; rows: Schemas["RowsRequest"]; condition?: Condition; done: (condition: Condition) => void }) {
  const [name, setName] = useState(condition?.column ?? null);
  const column = name === null ? undefined : filterColumnOf(table, name);
  if (!column) return <ColumnList table={table} choose={(chosen) => setName(chosen.id)} />;
  return (
    <div className="picker fields">
      <div className="row" style={{ flexWrap: "nowrap" }}>
        <IconButton name={words.explore.filter.back} icon="back" size="small" onClick={() => setName(null)} />
        <h2 className="clip">{column.title}</h2>
      </div>
      <ConditionForm
        key={column.id}
        table={table}
        column={column}
        rows={rows}
        {...(condition?.column === name && { condition })}
        done={done}
      />
    </div>
  );
}
