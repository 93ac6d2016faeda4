import { Popover } from "radix-ui";
import { useState } from "react";

import type { Schemas } from "../api/client";
import { remember, remembered } from "../app/theme";
import { zoneName } from "../format/times";
import { Button } from "../parts/button";
import { SelectField, TextField } from "../parts/fields";
import { Icon } from "../parts/icons";
import { STAYS } from "../parts/stays";
import { useNow } from "../parts/time";
import { words } from "../words";
import { boundOf, isTurned, rangeTitle, toLocalField, type Range, type Zone } from "./ranges";

interface RangePickerProps {
  range: Range;
  timestamp: Schemas["Cursor"];
  onChange: (range: Range & { timestamp: Schemas["Cursor"] }) => void;
}

/** Remembers which zone times are entered in. */
const ZONE = "outgest.zone";

/** Which time is shown: presets, or two instants in the user's zone or UTC. */
export function RangePicker({ range, timestamp, onChange }: RangePickerProps) {
  const [open, setOpen] = useState(false);
  const now = useNow();
  const choose = (chosen: Range & { timestamp: Schemas["Cursor"] }) => {
    onChange(chosen);
    setOpen(false);
  };
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger className="button" aria-label={`${words.explore.range.label}: ${rangeTitle(range, now)}`}>
        <Icon name="clock" />
        {rangeTitle(range, now)}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content {...STAYS} className="popover" align="start" sideOffset={4} collisionPadding={8} aria-label={words.explore.range.label}>
          <Form range={range} timestamp={timestamp} choose={choose} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Form({ range, timestamp, choose }: { range: Range; timestamp: Schemas["Cursor"]; choose: RangePickerProps["onChange"] }) {
  const text = words.explore.range;
  const [zone, setZone] = useState<Zone>(remembered(ZONE) === "utc" ? "utc" : "local");
  const [from, setFrom] = useState(toLocalField(range.since, zone));
  const [to, setTo] = useState(toLocalField(range.until, zone));
  const [against, setAgainst] = useState(timestamp);
  const entered = { since: boundOf(from, range.since, zone), until: boundOf(to, range.until, zone) };
  const wrong = isTurned(entered);
  // The instants stay what they are; only how they are written changes.
  const chooseZone = (next: Zone) => {
    setFrom(toLocalField(entered.since, next));
    setTo(toLocalField(entered.until, next));
    setZone(next);
    remember(ZONE, next);
  };
  return (
    <div className="range-form">
      <ul>
        <li>
          <button type="button" className="menu-item" onClick={() => choose({ since: null, until: null, timestamp: against })}>
            {text.all}
          </button>
        </li>
        {text.presets.map(([since, title]) => (
          <li key={since}>
            <button
              type="button"
              className="menu-item"
              aria-pressed={range.since === since && !range.until}
              onClick={() => choose({ since, until: null, timestamp: against })}
            >
              {title}
            </button>
          </li>
        ))}
      </ul>
      <form
        className="fields"
        onSubmit={(event) => {
          event.preventDefault();
          if (!wrong) choose({ ...entered, timestamp: against });
        }}
      >
        <TextField label={text.from} type="datetime-local" step="1" value={from} help={stays(from, entered.since)} onChange={setFrom} />
        <TextField
          label={text.to}
          type="datetime-local"
          step="1"
          value={to}
          help={stays(to, entered.until) ?? text.open}
          problem={wrong ? text.wrong : undefined}
          onChange={setTo}
        />
        <SelectField
          label={text.zone}
          value={zone}
          options={[
            { value: "local", label: zoneName() },
            { value: "utc", label: text.utc },
          ]}
          onChange={chooseZone}
        />
        <SelectField
          label={text.heldAgainst}
          value={against}
          options={(["start_time", "ingested"] as const).map((value) => ({ value, label: text.timestamps[value]! }))}
          onChange={setAgainst}
        />
        <Button type="submit" look="primary" disabled={wrong}>
          {text.apply}
        </Button>
      </form>
    </div>
  );
}

/** What an empty field says of a bound that is no instant: a duration stays one until a time is entered. */
function stays(field: string, bound: string | null): string | undefined {
  return field === "" && bound !== null ? words.explore.range.stays(bound) : undefined;
}
