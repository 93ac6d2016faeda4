import { DropdownMenu } from "radix-ui";
import { Fragment, useState, type ReactNode } from "react";

import type { Table } from "../../api/catalog";
import type { Schemas } from "../../api/client";
import type { Problem } from "../../api/problem";
import { Hint } from "../../parts/button";
import { Icon } from "../../parts/icons";
import { words } from "../../words";
import { FilterEditor } from "./editor";
import {
  fieldOf,
  filterColumnOf,
  isCondition,
  isGroup,
  isNot,
  nameWithKey,
  negated,
  orWith,
  shownValue,
  summary,
  without,
  type Condition,
  type Filter,
  type Group,
  type Path,
} from "./model";

interface Shared {
  table: Table;
  rows: Schemas["RowsRequest"];
  /** Every filter of the page: the server names problems by the place within. */
  all: Filter[];
  problem: Problem | null;
  onChange: (path: Path, next: Filter | null) => void;
}

/** The rows in which values for what stands at `path` are counted: its own condition must not hide the others. */
function rowsFor({ rows, all }: Pick<Shared, "rows" | "all">, path: Path): Schemas["RowsRequest"] {
  return rows.filter ? { ...rows, filter: without(all, path) } : rows;
}

/** Filters of one level, with what joins them between. */
export function Chips({ filters, path, joint, ...shared }: Shared & { filters: Filter[]; path: Path; joint?: string }) {
  return filters.map((filter, index) => (
    <Fragment key={index}>
      {joint && index > 0 && <span className="joint">{joint}</span>}
      <Chip filter={filter} path={[...path, index]} {...shared} />
    </Fragment>
  ));
}

function Chip({ filter, path, ...shared }: Shared & { filter: Filter; path: Path }) {
  if (isCondition(filter)) return <ConditionChip condition={filter} path={path} {...shared} />;
  if (isNot(filter)) {
    return (
      <span className="bracket">
        <span className="joint">{words.explore.filter.not}</span>
        <Chip filter={filter.filter} path={[...path, 0]} {...shared} />
        <Menu filter={filter} path={path} {...shared} />
      </span>
    );
  }
  return (
    <span className="bracket" role="group" aria-label={summary([filter])}>
      <Chips filters={filter.filters} path={path} joint={words.explore.filter.joints[filter.type]} {...shared} />
      <Menu filter={filter} path={path} {...shared} />
    </span>
  );
}

function ConditionChip({ condition, path, ...shared }: Shared & { condition: Condition; path: Path }) {
  const [editing, setEditing] = useState(false);
  const { table, all, problem, onChange } = shared;
  const column = filterColumnOf(table, condition.column);
  const field = fieldOf(all, path);
  const refused = problem?.fields.find((found) => found.field === field || found.field.startsWith(`${field}.`));
  const wrong = column ? refused && [refused.message, refused.hint].filter(Boolean).join("; ") : words.explore.filter.unknown(condition.column);
  const title = nameWithKey(column?.title ?? condition.column, condition);
  const text = (
    <button type="button" className="chip-text" disabled={!column}>
      {wrong && <Icon name="warning" size={14} />}
      <span>{title}</span>
      <span className="chip-operator">{condition.operator}</span>
      <span className="chip-value clip" title={condition.type === "datetime" ? String(condition.value) : undefined}>
        {shownValue(condition)}
      </span>
    </button>
  );
  const chip = column ? (
    <FilterEditor
      table={table}
      rows={rowsFor(shared, path)}
      condition={condition}
      open={editing}
      onOpenChange={setEditing}
      onDone={(next) => onChange(path, next)}
    >
      {text}
    </FilterEditor>
  ) : (
    text
  );
  return (
    <span className="chip" data-wrong={wrong ? "" : undefined}>
      {wrong ? (
        <Hint text={wrong}>
          <span style={{ display: "flex" }}>{chip}</span>
        </Hint>
      ) : (
        chip
      )}
      {wrong && <span className="hidden">{wrong}</span>}
      <Menu filter={condition} path={path} {...shared} />
      <button
        type="button"
        className="chip-end"
        aria-label={words.explore.filter.removeNamed(summary([condition]))}
        onClick={() => onChange(path, null)}
      >
        <Icon name="cross" size={12} />
      </button>
    </span>
  );
}

/** What else can be done with a filter: combine it, turn it round, remove it. */
function Menu({ filter, path, table, onChange, ...shared }: Shared & { filter: Filter; path: Path }) {
  const [adding, setAdding] = useState<"or" | "inside" | null>(null);
  const text = words.explore.filter;
  const added = (condition: Filter) => {
    if (adding === "inside" && isGroup(filter)) onChange(path, { ...filter, filters: [...filter.filters, condition] });
    else onChange(path, orWith(filter, condition));
  };
  const place = adding === "inside" && isGroup(filter) ? [...path, filter.filters.length] : path;
  return (
    <FilterEditor table={table} rows={rowsFor(shared, place)} open={adding !== null} onOpenChange={(open) => !open && setAdding(null)} onDone={added} anchor>
      <DropdownMenu.Root>
        <DropdownMenu.Trigger className="chip-end" aria-label={text.options(summary([filter]))}>
          <Icon name="more" size={14} />
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal>
          <DropdownMenu.Content className="menu" align="start" sideOffset={4}>
            {isGroup(filter) && (
              <>
                <Item onSelect={() => setAdding("inside")}>{text.addInside}</Item>
                <Item onSelect={() => onChange(path, turned(filter))}>{filter.type === "or" ? text.toAnd : text.toOr}</Item>
              </>
            )}
            {!(isGroup(filter) && filter.type === "or") && <Item onSelect={() => setAdding("or")}>{text.or}</Item>}
            <Item onSelect={() => onChange(path, negated(filter))}>{isNot(filter) ? text.unNegate : text.negate}</Item>
            <Item danger onSelect={() => onChange(path, null)}>
              {text.remove}
            </Item>
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
    </FilterEditor>
  );
}

function turned(group: Group): Group {
  return { ...group, type: group.type === "or" ? "and" : "or" };
}

function Item({ onSelect, danger, children }: { onSelect: () => void; danger?: boolean; children: ReactNode }) {
  return (
    <DropdownMenu.Item className="menu-item" data-look={danger ? "danger" : undefined} onSelect={onSelect}>
      {children}
    </DropdownMenu.Item>
  );
}
