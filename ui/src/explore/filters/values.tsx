import { useState } from "react";

import type { Schemas } from "../../api/client";
import { Field } from "../../parts/fields";
import { SkeletonLines } from "../../parts/faces";
import { Icon } from "../../parts/icons";
import { useListKeys } from "../../parts/list-keys";
import { useSettled } from "../../parts/settled";
import { words } from "../../words";
import { useValues } from "../rows";

/** Where suggestions come from. */
export interface ValueSource {
  table: string;
  column: string;
  key?: string | undefined;
  rows?: Schemas["RowsRequest"] | undefined;
}

interface ValueTextProps {
  label: string;
  /** null where values cannot be counted. */
  source: ValueSource | null;
  value: string;
  autoFocus?: boolean;
  onChange: (value: string) => void;
}

/** Suggestions below a field: as many as are taken in at a glance. */
const SUGGESTIONS = 8;

/** A text, with the values that there are as suggestions. */
export function ValueText({ label, source, value, autoFocus, onChange }: ValueTextProps) {
  // The key that values belong to is typed as well.
  const asked = useSettled({ ...(source ?? { table: "", column: "" }), contains: value, enabled: source !== null });
  const [chosen, setChosen] = useState(value);
  const values = useValues(asked);
  const offered = value === chosen && value !== "" ? [] : (values.data?.values ?? []).slice(0, SUGGESTIONS);
  const choose = (offer: Schemas["FacetValue"]) => {
    keys.reset();
    setChosen(offer.value);
    onChange(offer.value);
  };
  // Enter takes what was typed; a suggestion is taken with the arrows first.
  const keys = useListKeys(offered, choose, value === "" ? "item" : "typed");
  return (
    <div>
      <Field label={label}>
        {(ids) => (
          <input
            className="input"
            {...ids}
            {...(source && keys.input)}
            {...(source && { role: "combobox", "aria-expanded": offered.length > 0 })}
            autoFocus={autoFocus}
            autoComplete="off"
            value={value}
            onChange={(event) => {
              keys.reset();
              onChange(event.target.value);
            }}
          />
        )}
      </Field>
      {source && (
        <ul {...keys.list} aria-label={label} style={{ marginTop: 4 }}>
          {offered.map((offer, index) => (
            <Offer key={offer.value} offer={offer} {...keys.option(index)} />
          ))}
        </ul>
      )}
    </div>
  );
}

function Offer({ offer, ...rest }: { offer: Schemas["FacetValue"] }) {
  return (
    <li className="menu-item" {...rest}>
      <span className="clip">{offer.value === "" ? words.explore.filter.emptyText : offer.value}</span>
      <span className="menu-end number">{words.explore.filter.rowsOfValue(offer.rows)}</span>
    </li>
  );
}

interface ValueChoiceProps {
  source: ValueSource;
  countable: boolean;
  chosen: string[];
  onChange: (chosen: string[]) => void;
}

/** Several values out of those that there are, or any that are entered. */
export function ValueChoice({ source, countable, chosen, onChange }: ValueChoiceProps) {
  const [wanted, setWanted] = useState("");
  const entered = wanted.trim();
  const asked = useSettled({ ...source, contains: entered, enabled: countable });
  const [first] = useState(chosen);
  const values = useValues(asked);
  const text = words.explore.filter;
  const known = (values.data?.values ?? []).filter((offer) => !first.includes(offer.value));
  const matching = first.filter((value) => value.toLowerCase().includes(entered.toLowerCase()));
  const counts = new Map(values.data?.values.map((offer) => [offer.value, offer.rows]));
  const offered = [...matching, ...known.map((offer) => offer.value)];
  const extra = chosen.filter((value) => !offered.includes(value));
  const isNew = entered !== "" && !offered.includes(entered) && !chosen.includes(entered);
  const items = [...extra, ...offered, ...(isNew ? [entered] : [])];
  const toggle = (value: string) =>
    onChange(chosen.includes(value) ? chosen.filter((other) => other !== value) : [...chosen, value]);
  const keys = useListKeys(items, (value) => {
    toggle(value);
    if (isNew && value === entered) setWanted("");
  });
  return (
    <div className="field">
      <span className="field-label">{text.values}</span>
      <input
        className="input"
        role="combobox"
        aria-expanded="true"
        aria-label={text.findValue}
        placeholder={text.findValue}
        autoFocus
        value={wanted}
        onChange={(event) => setWanted(event.target.value)}
        {...keys.input}
      />
      <ul className="picker-list" style={{ margin: 0, maxHeight: 220 }} {...keys.list} aria-label={text.values} aria-multiselectable="true">
        {items.map((value, index) => {
          const option = keys.option(index);
          const isChosen = chosen.includes(value);
          return (
            <li key={value} className="menu-item" {...option} aria-checked={isChosen}>
              <span className="check-box" data-state={isChosen ? "checked" : "unchecked"} style={{ margin: 0 }}>
                {isChosen && <Icon name="check" size={12} />}
              </span>
              <span className="clip">{isNew && value === entered ? text.use(value) : value === "" ? text.emptyText : value}</span>
              {counts.has(value) && <span className="menu-end number">{text.rowsOfValue(counts.get(value)!)}</span>}
            </li>
          );
        })}
      </ul>
      {values.isLoading && <SkeletonLines lines={4} />}
      {values.data && items.length === 0 && <p className="field-help">{text.noValues}</p>}
      {values.data?.more && <p className="field-help">{text.moreValues}</p>}
      {values.data?.stopped && <p className="field-help">{text.partial}</p>}
    </div>
  );
}
