import { useEffect, useId, useRef, useState, type KeyboardEvent } from "react";

/**
 * A list below a field: arrows move, Enter chooses, and the field keeps the focus, as the combobox pattern of ARIA
 * says. Gives the attributes of field, list and options. Until an arrow is pressed Enter chooses the first item, or
 * what was typed where that is what the field is for.
 */
export function useListKeys<T>(items: readonly T[], choose: (item: T) => void, first: "item" | "typed" = "item") {
  const id = useId();
  const [at, setAt] = useState<number | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const current = Math.min(at ?? (first === "item" ? 0 : -1), items.length - 1);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [current]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (items.length === 0) return;
    if (event.key === "ArrowDown") setAt(Math.min(current + 1, items.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(current - 1, 0));
    else if (event.key === "Enter" && current >= 0) choose(items[current]!);
    else return;
    event.preventDefault();
  };
  return {
    input: {
      onKeyDown,
      "aria-controls": id,
      "aria-autocomplete": "list" as const,
      "aria-activedescendant": current >= 0 ? `${id}-${current}` : undefined,
    },
    /** Begins again: the items are others now. */
    reset: () => setAt(null),
    list: { ref: list, id, role: "listbox" },
    option: (index: number) => ({
      id: `${id}-${index}`,
      role: "option",
      "aria-selected": index === current,
      onClick: () => choose(items[index]!),
    }),
  };
}
