import { useState } from "react";

import type { Table } from "../../api/catalog";
import type { Schemas } from "../../api/client";
import { Button } from "../../parts/button";
import { SelectField, Segments, TextField } from "../../parts/fields";
import { words } from "../../words";
import { fromLocalField, toLocalField } from "../ranges";
import { ValueChoice, ValueText } from "./values";
import {
  emptyValue,
  firstOperator,
  isComplete,
  isCounted,
  operatorsOf,
  withOperator,
  type Condition,
  type FilterColumn,
  type Value,
} from "./model";

interface ConditionFormProps {
  table: Table;
  column: FilterColumn;
  rows: Schemas["RowsRequest"];
  condition?: Condition;
  done: (condition: Condition) => void;
}

/** Operator, key and value of a condition on one column. */
export function ConditionForm({ table, column, rows, condition, done }: ConditionFormProps) {
  const first = firstOperator(column);
  const [draft, setDraft] = useState<Condition>(
    () =>
      condition ?? {
        type: first.type,
        column: column.id,
        operator: first.name,
        ...(column.types[0]?.type === "positionInTrace" ? { key: "root" } : { value: emptyValue(first.type) }),
      },
  );
  const operators = operatorsOf(column);
  const text = words.explore.filter;
  const chooseOperator = (name: string) => {
    const chosen = operators.find((operator) => operator.name === name);
    if (chosen) setDraft(withOperator(draft, chosen));
  };
  return (
    <form
      className="fields"
      onSubmit={(event) => {
        event.preventDefault();
        if (isComplete(draft, column)) done(draft);
      }}
    >
      {column.keyed && draft.type !== "positionInTrace" && (
        <KeyField table={table} column={column} rows={rows} draft={draft} onChange={(key) => setDraft({ ...draft, key })} />
      )}
      {operators.length > 1 && (
        <SelectField
          label={text.operator}
          value={draft.operator}
          options={operators.map(({ name }) => ({ value: name, label: name }))}
          onChange={chooseOperator}
        />
      )}
      <ValueField table={table} column={column} rows={rows} draft={draft} onChange={setDraft} />
      <Button type="submit" look="primary" disabled={!isComplete(draft, column)}>
        {text.apply}
      </Button>
    </form>
  );
}

interface PartProps {
  table: Table;
  column: FilterColumn;
  rows: Schemas["RowsRequest"];
  draft: Condition;
}

/** Whether the keys of a column are names of scores: their values are typed as those are. */
function isScore(column: FilterColumn): boolean {
  const types = ["numberObject", "categoryOptions", "booleanObject"];
  return column.types.some(({ type }) => types.includes(type));
}

function KeyField({ table, column, rows, draft, onChange }: PartProps & { onChange: (key: string) => void }) {
  const scores = isScore(column);
  return (
    <ValueText
      label={scores ? words.explore.filter.scoreName : words.explore.filter.key}
      source={
        scores
          ? { table: "scores", column: "name" }
          : { table: table.name, column: column.id, rows }
      }
      value={draft.key ?? ""}
      autoFocus
      onChange={onChange}
    />
  );
}

function ValueField({ table, column, rows, draft, onChange }: PartProps & { onChange: (draft: Condition) => void }) {
  const text = words.explore.filter;
  const { type, value, key } = draft;
  const set = (next: Value) => onChange({ ...draft, value: next });
  switch (type) {
    case "null":
      return null;
    case "boolean":
    case "booleanObject":
      return (
        <Segments
          label={text.value}
          value={value === false ? "no" : "yes"}
          options={[
            { value: "yes", label: text.yes },
            { value: "no", label: text.no },
          ]}
          onChange={(chosen) => set(chosen === "yes")}
        />
      );
    case "number":
    case "numberObject":
      return (
        <TextField
          label={text.number}
          type="number"
          step="any"
          autoFocus={!column.keyed}
          value={typeof value === "number" ? value : ""}
          onChange={(entered) => set(entered === "" ? "" : Number(entered))}
        />
      );
    case "datetime":
      return (
        <TextField
          label={text.time}
          type="datetime-local"
          step="1"
          autoFocus
          value={toLocalField(typeof value === "string" ? value : null)}
          onChange={(entered) => set(fromLocalField(entered) ?? "")}
        />
      );
    case "positionInTrace":
      return <PositionField draft={draft} onChange={onChange} />;
    case "stringOptions":
    case "arrayOptions":
    case "categoryOptions":
      return (
        <ValueChoice
          source={
            isScore(column)
              ? { table: "scores", column: "stringValue", rows: { filter: [{ type: "string", column: "name", operator: "=", value: key ?? "" }] } }
              : { table: table.name, column: column.id, key, rows }
          }
          countable={column.facets || isScore(column)}
          chosen={Array.isArray(value) ? value.map(String) : []}
          onChange={set}
        />
      );
    default:
      return (
        <ValueText
          label={text.value}
          source={column.facets && (!column.keyed || key) ? { table: table.name, column: column.id, key, rows } : null}
          value={typeof value === "string" ? value : ""}
          autoFocus={!column.keyed}
          onChange={set}
        />
      );
  }
}

function PositionField({ draft, onChange }: { draft: Condition; onChange: (draft: Condition) => void }) {
  const text = words.explore.filter;
  const counted = isCounted(draft.key);
  const choose = (key: string) => {
    const { value: _, ...rest } = draft;
    onChange({ ...rest, key, ...(isCounted(key) && { value: 1 }) });
  };
  return (
    <div className="field-row">
      <SelectField
        label={text.value}
        value={draft.key ?? "root"}
        options={Object.entries(text.position).map(([value, label]) => ({ value, label }))}
        onChange={choose}
      />
      {counted && (
        <TextField
          label={text.positionNumber}
          type="number"
          min={1}
          step={1}
          value={typeof draft.value === "number" ? draft.value : ""}
          onChange={(entered) => onChange({ ...draft, value: entered === "" ? "" : Number(entered) })}
        />
      )}
    </div>
  );
}
