import { useState } from "react";

import { useCopied } from "../../parts/copy";
import { Icon } from "../../parts/icons";
import { words } from "../../words";
import { SourceNumber } from "./json";

/** Levels that are open at the beginning, where not everything is. */
const OPEN_LEVELS = 2;

/** What has so many values at most is open as a whole. */
const OPEN_VALUES = 40;

/** Items that are drawn at once. */
const SHOWN_ITEMS = 200;

/** Characters of a text in the tree. */
const SHOWN_CHARACTERS = 5_000;

/** JSON whose objects and lists open and close; every value's path can be copied. */
export default function JsonTree({ value }: { value: unknown }) {
  return (
    <div className="tree">
      <Node value={value} path="$" open={valuesOf(value, OPEN_VALUES) <= OPEN_VALUES ? Infinity : OPEN_LEVELS} />
    </div>
  );
}

/** Values in it, itself included; counted until there are more than so many. */
function valuesOf(value: unknown, enough: number): number {
  let values = 1;
  if (!isOpenable(value)) return values;
  for (const inner of Object.values(value)) {
    if (values > enough) break;
    values += valuesOf(inner, enough - values);
  }
  return values;
}

function isOpenable(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof SourceNumber);
}

/** `open`: levels that are open at the beginning, counted from here. */
function Node({ name, value, path, open: levels }: { name?: string; value: unknown; path: string; open: number }) {
  const [open, setOpen] = useState(levels > 0);
  const [items, setItems] = useState(SHOWN_ITEMS);
  const key = name !== undefined && <span className="tree-key">{name}:</span>;
  if (!isOpenable(value)) {
    return (
      <div className="tree-line">
        <span className="tree-toggle" />
        {key}
        <Leaf value={value} />
        <CopyPath path={path} />
      </div>
    );
  }
  const entries = Object.entries(value);
  const isList = Array.isArray(value);
  const size = isList ? `[${entries.length}]` : `{${entries.length}}`;
  return (
    <>
      <div className="tree-line">
        <button
          type="button"
          className="tree-toggle"
          aria-expanded={open}
          aria-label={open ? words.explore.row.collapse(path) : words.explore.row.expand(path)}
          onClick={() => setOpen(!open)}
        >
          <Icon name="chevron" size={12} />
        </button>
        {key}
        <span className="faint">{size}</span>
        <CopyPath path={path} />
      </div>
      {open && (
        <div className="tree-children">
          {entries.slice(0, items).map(([inner, item]) => (
            <Node
              key={inner}
              name={inner}
              value={item}
              path={isList ? `${path}[${inner}]` : /^[A-Za-z_]\w*$/.test(inner) ? `${path}.${inner}` : `${path}[${JSON.stringify(inner)}]`}
              open={levels - 1}
            />
          ))}
          {entries.length > items && (
            <button type="button" className="button" data-size="small" onClick={() => setItems(entries.length)}>
              {words.explore.row.showAllItems(entries.length)}
            </button>
          )}
        </div>
      )}
    </>
  );
}

function CopyPath({ path }: { path: string }) {
  const { outcome, icon, copy } = useCopied(path);
  const name = outcome ? words.copy[outcome] : words.explore.row.copyPath(path);
  return (
    <button type="button" className="tree-copy" aria-label={name} title={outcome ? name : path} onClick={copy}>
      <Icon name={icon} size={12} />
    </button>
  );
}

function Leaf({ value }: { value: unknown }) {
  const [all, setAll] = useState(false);
  const kind = value === null ? "null" : value instanceof SourceNumber ? "number" : typeof value;
  const text = value instanceof SourceNumber ? value.source : String(value);
  const clipped = !all && text.length > SHOWN_CHARACTERS;
  return (
    <span className="tree-value" data-kind={kind}>
      {kind === "string" ? `"${clipped ? text.slice(0, SHOWN_CHARACTERS) : text}"` : text}
      {clipped && (
        <button type="button" className="button" data-size="small" onClick={() => setAll(true)}>
          {words.explore.row.showAll(new Blob([text]).size)}
        </button>
      )}
    </span>
  );
}
