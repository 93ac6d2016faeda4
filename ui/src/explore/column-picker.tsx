import { Popover } from "radix-ui";
import { useState } from "react";

import type { Table } from "../api/catalog";
import { Button, IconButton } from "../parts/button";
import { Check } from "../parts/fields";
import { Icon } from "../parts/icons";
import { STAYS } from "../parts/stays";
import { words } from "../words";
import { groupsOf, SCORES, titleOf, usualColumns } from "./columns";

interface ColumnPickerProps {
  table: Table;
  columns: string[];
  onChange: (columns: string[] | null) => void;
}

/** Which columns are shown, in which order. */
export function ColumnPicker({ table, columns, onChange }: ColumnPickerProps) {
  const [wanted, setWanted] = useState("");
  const text = wanted.trim().toLowerCase();
  const fits = (name: string) => name.toLowerCase().includes(text) || titleOf(name).toLowerCase().includes(text);
  const set = (name: string, isShown: boolean) => {
    const rest = columns.filter((known) => known !== name);
    const next = isShown ? [...rest, name] : rest;
    // A table without columns shows nothing that one could go back from.
    if (next.length > 0) onChange(next);
  };
  const move = (name: string, by: number) => {
    const to = columns.indexOf(name) + by;
    if (to < 0 || to === columns.length) return;
    const next = columns.filter((known) => known !== name);
    next.splice(to, 0, name);
    onChange(next);
  };
  return (
    <Popover.Root>
      <Popover.Trigger className="button">
        <Icon name="columns" />
        {words.explore.columns}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content {...STAYS} className="popover" align="end" sideOffset={4} collisionPadding={8} aria-label={words.explore.moreColumns}>
          <div className="picker">
            <input
              className="input"
              aria-label={words.explore.findColumn}
              placeholder={words.explore.findColumn}
              value={wanted}
              onChange={(event) => setWanted(event.target.value)}
            />
            <div className="picker-list" style={{ maxHeight: 420, padding: "0 8px 4px" }} tabIndex={-1}>
              {text === "" && (
                <fieldset>
                  <legend className="menu-label">{words.explore.shownColumns}</legend>
                  {/* At the end buttons are off, and not disabled: that would take the focus from whoever pressed them. */}
                  {columns.map((name, index) => (
                    <div key={name} className="row" style={{ flexWrap: "nowrap", gap: 2, height: 28 }}>
                      <div style={{ flex: 1, minWidth: 0 }}>
                        <Check checked label={name === SCORES ? words.explore.scoreColumns : titleOf(name)} onChange={() => set(name, false)} />
                      </div>
                      <IconButton name={words.explore.moveEarlier(name)} icon="back" size="small" aria-disabled={index === 0} onClick={() => move(name, -1)} />
                      <span style={{ transform: "scaleX(-1)" }}>
                        <IconButton
                          name={words.explore.moveLater(name)}
                          icon="back"
                          size="small"
                          aria-disabled={index === columns.length - 1}
                          onClick={() => move(name, 1)}
                        />
                      </span>
                    </div>
                  ))}
                </fieldset>
              )}
              {table.scores && !columns.includes(SCORES) && fits(SCORES) && (
                <fieldset>
                  <legend className="menu-label">{words.explore.scoreColumns}</legend>
                  <Check checked={false} label={words.explore.scoreColumns} help={words.explore.scoreColumnsHelp} onChange={() => set(SCORES, true)} />
                </fieldset>
              )}
              {groupsOf(table).map(([group, known]) => {
                const left = known.filter(({ name }) => fits(name) && (text !== "" || !columns.includes(name)));
                if (left.length === 0) return null;
                return (
                  <fieldset key={group}>
                    <legend className="menu-label">{group.replaceAll("_", " ")}</legend>
                    {left.map(({ name }) => (
                      <div key={name} style={{ height: 28 }}>
                        <Check checked={columns.includes(name)} label={titleOf(name)} onChange={(next) => set(name, next)} />
                      </div>
                    ))}
                  </fieldset>
                );
              })}
            </div>
            <div className="row" style={{ marginTop: 16 }}>
              <Button size="small" onClick={() => onChange(null)} disabled={columns.join() === usualColumns(table).join()}>
                {words.explore.usualColumns}
              </Button>
            </div>
          </div>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
