import type { Problem } from "../api/problem";
import { Check, Field, SelectField, TextField } from "../parts/fields";
import { words } from "../words";
import type { Options } from "./request";

interface MoreOptionsProps {
  options: Options;
  problem: Problem | null;
  onChange: (change: Partial<Options>) => void;
}

/** What few exports need: only what the chosen format takes. */
export function MoreOptions({ options, problem, onChange }: MoreOptionsProps) {
  const text = words.exports;
  const isJson = options.format === "json" || options.format === "jsonl";
  return (
    <div className="fields">
      {options.format === "csv" && (
        <Check
          checked={options.neutraliseFormulas}
          label={text.neutralise}
          help={text.neutraliseHelp}
          onChange={(neutraliseFormulas) => onChange({ neutraliseFormulas })}
        />
      )}
      {isJson && (
        <Check checked={options.parsePayloads} label={text.parse} help={text.parseHelp} onChange={(parsePayloads) => onChange({ parsePayloads })} />
      )}
      {options.format !== "parquet" && (
        <Check checked={options.bom} label={text.bom} help={text.bomHelp} onChange={(bom) => onChange({ bom })} />
      )}
      <TextField label={text.name} placeholder={text.namePlaceholder} value={options.name} maxLength={200} onChange={(name) => onChange({ name })} />
      <Field label={text.masks} help={text.masksHelp} problem={problem?.of("masks")}>
        {(ids) => (
          <textarea
            className="textarea mono"
            {...ids}
            rows={2}
            spellCheck={false}
            style={{ minHeight: 52 }}
            placeholder={text.masksPlaceholder}
            value={options.masks}
            onChange={(event) => onChange({ masks: event.target.value })}
          />
        )}
      </Field>
      <div className="field-row">
        <TextField
          label={text.limit}
          help={text.limitHelp}
          type="number"
          min={1}
          step={1}
          value={options.limit}
          problem={problem?.of("limit")}
          onChange={(limit) => onChange({ limit })}
        />
        <TextField
          label={text.roll}
          help={text.rollHelp}
          type="number"
          min={0}
          step="any"
          value={options.rollMegabytes}
          problem={problem?.of("rollBytes")}
          onChange={(rollMegabytes) => onChange({ rollMegabytes })}
        />
      </div>
      <SelectField
        label={text.unicode}
        value={options.unicode}
        options={(["", "keep", "decode"] as const).map((value) => ({ value, label: text.unicodes[value]! }))}
        onChange={(unicode) => onChange({ unicode })}
      />
    </div>
  );
}
