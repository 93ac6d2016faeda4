import { useEffect, useId, useRef, useState, type KeyboardEvent } from "react";

/**
 * A list below a field: arrows move, Enter chooses, and the field keeps the focus, as the combobox pattern of ARIA
 * says. Gives the attributes of field, list and options.
 */
export function useListKeys<T>(items: readonly T[], choose: (item: T) => void, otherwise?: () => void) {
  const id = useId();
  const [at, setAt] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const current = Math.min(at, Math.max(0, items.length - 1));
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [current]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt(Math.min(current + 1, items.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(current - 1, 0));
    else if (event.key === "Enter") {
      const item = items[current];
      if (item !== undefined) choose(item);
      else otherwise?.();
    } else return;
    event.preventDefault();
  };
  return {
    input: {
      onKeyDown,
      "aria-controls": id,
      "aria-autocomplete": "list" as const,
      "aria-activedescendant": items.length > 0 ? `${id}-${current}` : undefined,
    },
    list: { ref: list, id, role: "listbox" },
    option: (index: number) => ({
      id: `${id}-${index}`,
      role: "option",
      "aria-selected": index === current,
      onClick: () => choose(items[index]!),
    }),
  };
}
