import { DropdownMenu } from "radix-ui";
import { useEffect, useRef, useState } from "react";

import type { Table } from "../api/catalog";
import type { Schemas } from "../api/client";
import { useSingleKeys } from "../app/keys";
import { useSearchField } from "../app/search";
import { IconButton } from "../parts/button";
import { Icon } from "../parts/icons";
import { words } from "../words";

interface SearchProps {
  table: Table;
  text: string;
  types: Schemas["SearchType"][];
  onChange: (change: { search?: string; searchTypes?: Schemas["SearchType"][] }) => void;
}

/** Quiet time after the last keystroke, until rows are asked for. */
const PAUSE = 350;

/** Text that rows must contain, and where it is looked for. */
export function Search({ table, text, types, onChange }: SearchProps) {
  const [entered, setEntered] = useState(text);
  const field = useRef<HTMLInputElement>(null);
  const told = useRef(text);
  const [hasKeys] = useSingleKeys();
  useSearchField(field);
  // The address changed by other means than this field.
  useEffect(() => {
    if (text !== told.current) {
      told.current = text;
      setEntered(text);
    }
  }, [text]);
  const tell = (search: string) => {
    if (search === told.current) return;
    told.current = search;
    onChange({ search });
  };
  useEffect(() => {
    const timer = setTimeout(() => tell(entered.trim()), PAUSE);
    return () => clearTimeout(timer);
  });
  const chosen = types.length > 0 ? types : table.searchTypes.slice(0, 1);
  const toggle = (type: Schemas["SearchType"]) => {
    const next = chosen.includes(type) ? chosen.filter((known) => known !== type) : [...chosen, type];
    if (next.length > 0) onChange({ searchTypes: next });
  };
  return (
    <form
      className="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        tell(entered.trim());
      }}
    >
      <Icon name="search" />
      <div className="search-box">
        <input
          ref={field}
          className="input"
          type="text"
          aria-label={words.explore.search}
          placeholder={words.explore.search}
          value={entered}
          onChange={(event) => setEntered(event.target.value)}
          onKeyDown={(event) => event.key === "Escape" && field.current?.blur()}
        />
        {entered === "" ? (
          hasKeys && <kbd aria-hidden="true">/</kbd>
        ) : (
          <span style={{ position: "absolute", top: 2, right: 2 }}>
            <IconButton
              name={words.explore.clearSearch}
              icon="cross"
              size="small"
              onClick={() => {
                setEntered("");
                tell("");
                field.current?.focus();
              }}
            />
          </span>
        )}
      </div>
      <DropdownMenu.Root>
        <DropdownMenu.Trigger className="button">
          <span className="hidden">{words.explore.searchIn}: </span>
          {chosen.map((type) => words.explore.searchTypes[type]).join(", ")}
          <Icon name="chevron" size={12} />
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal>
          <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
            <DropdownMenu.Label className="menu-label">{words.explore.searchIn}</DropdownMenu.Label>
            {table.searchTypes.map((type) => (
              <DropdownMenu.CheckboxItem
                key={type}
                className="menu-item"
                checked={chosen.includes(type)}
                onCheckedChange={() => toggle(type)}
                onSelect={(event) => event.preventDefault()}
              >
                <span className="check-box" data-state={chosen.includes(type) ? "checked" : "unchecked"} style={{ margin: 0 }}>
                  {chosen.includes(type) && <Icon name="check" size={12} />}
                </span>
                {words.explore.searchTypes[type]}
              </DropdownMenu.CheckboxItem>
            ))}
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
    </form>
  );
}
