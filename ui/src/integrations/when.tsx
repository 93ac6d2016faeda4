import type { Problem } from "../api/problem";
import { Check, SelectField, TextField } from "../parts/fields";
import { words } from "../words";
import type { Draft } from "./draft";

interface WhenFieldsProps {
  draft: Draft;
  hasFiles: boolean;
  isNew: boolean;
  problem: Problem | null;
  onChange: (change: Partial<Draft>) => void;
}

/** When windows end, and what few have to change. */
export function WhenFields({ draft, hasFiles, isNew, problem, onChange }: WhenFieldsProps) {
  const text = words.integrations.form;
  return (
    <>
      <fieldset className="fields form-section">
        <legend>{words.integrations.sections.when}</legend>
        <div className="field-row">
          <SelectField
            label={text.every}
            value={draft.every}
            options={(["minutes", "hour", "day", "week", "cron"] as const).map((value) => ({ value, label: text.everyOptions[value]! }))}
            problem={problem?.of("schedule.every")}
            onChange={(every) => onChange({ every })}
          />
          {draft.every === "minutes" && (
            <TextField label={text.minutes} type="number" min={1} max={1_440} value={draft.minutes} problem={problem?.of("schedule.minutes")} onChange={(minutes) => onChange({ minutes })} />
          )}
          {draft.every === "cron" && (
            <TextField label={text.expression} className="input mono" help={text.expressionHelp} value={draft.expression} problem={problem?.of("schedule.expression")} onChange={(expression) => onChange({ expression })} />
          )}
          <TextField label={text.zone} help={text.zoneHelp} value={draft.zone} problem={problem?.of("schedule.zone")} onChange={(zone) => onChange({ zone })} />
        </div>
        <div className="field-row">
          <SelectField
            label={text.start}
            value={draft.start}
            disabled={!isNew}
            options={(["now", "history", "date"] as const).map((value) => ({ value, label: text.startOptions[value]! }))}
            onChange={(start) => onChange({ start })}
          />
          {draft.start === "date" && (
            <TextField label={text.startAt} type="datetime-local" value={draft.startAt} readOnly={!isNew} problem={problem?.of("start.at")} onChange={(startAt) => onChange({ startAt })} />
          )}
        </div>
      </fieldset>
      {/* A field that is folded away cannot say why the form is not sent. */}
      <details className="form-section" onInvalidCapture={(event) => (event.currentTarget.open = true)}>
        <summary>{words.integrations.sections.advanced}</summary>
        <div className="fields" style={{ marginTop: 14 }}>
          <SelectField
            label={text.cursor}
            help={text.cursorHelp}
            value={draft.cursor}
            options={(["ingested", "start_time"] as const).map((value) => ({ value, label: words.explore.range.timestamps[value]! }))}
            onChange={(cursor) => onChange({ cursor })}
          />
          <div className="field-row">
            <TextField label={text.lag} type="number" required min={0} value={draft.lagSeconds} problem={problem?.of("lagSeconds")} onChange={(lagSeconds) => onChange({ lagSeconds })} />
            <TextField label={text.catchUp} type="number" required min={1} max={64} value={draft.catchUpMax} problem={problem?.of("catchUpMax")} onChange={(catchUpMax) => onChange({ catchUpMax })} />
          </div>
          {hasFiles && <FileRules draft={draft} problem={problem} onChange={onChange} />}
        </div>
      </details>
    </>
  );
}

/** What few have to change of files. */
function FileRules({ draft, problem, onChange }: Omit<WhenFieldsProps, "hasFiles" | "isNew">) {
  const text = words.integrations.form;
  return (
    <>
      <SelectField
        label={text.deletions}
        value={draft.deletions}
        options={(["count", "include"] as const).map((value) => ({ value, label: text.deletionsOptions[value]! }))}
        problem={problem?.of("deletions")}
        onChange={(deletions) => onChange({ deletions })}
      />
      <TextField label={text.template} help={text.templateHelp} className="input mono" value={draft.template} problem={problem?.of("template")} onChange={(template) => onChange({ template })} />
      <SelectField
        label={text.schema}
        value={draft.schema}
        options={(["follow", "frozen"] as const).map((value) => ({ value, label: text.schemaOptions[value]! }))}
        onChange={(schema) => onChange({ schema })}
      />
      <Check checked={draft.eventTs} label={text.eventTs} help={text.eventTsHelp} onChange={(eventTs) => onChange({ eventTs })} />
      {draft.format === "csv" && (
        <Check checked={draft.neutraliseFormulas} label={text.neutralise} onChange={(neutraliseFormulas) => onChange({ neutraliseFormulas })} />
      )}
      <TextField label={text.roll} type="number" min={0} step="any" value={draft.rollMegabytes} problem={problem?.of("rollBytes")} onChange={(rollMegabytes) => onChange({ rollMegabytes })} />
    </>
  );
}
