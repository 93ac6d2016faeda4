import { columnOf, type Table } from "../api/catalog";
import { dollars, plain } from "../format/numbers";
import { duration } from "../format/times";
import { Time } from "../parts/time";
import type { Tone } from "../parts/state";

const LEVELS: Record<string, Tone> = { ERROR: "failed", WARNING: "attention" };

/** A cell of the table: one line, whatever is in it. Texts that people stored are texts here, never markup. */
export function Cell({ table, name, value }: { table: Table; name: string; value: unknown }) {
  if (value === null || value === undefined || value === "") return null;
  const column = columnOf(table, name);
  if (name === "level" && typeof value === "string") {
    // Only what stands out gets a frame.
    const tone = LEVELS[value];
    return tone ? (
      <span className="tag" data-tone={tone}>
        {value}
      </span>
    ) : (
      <span className="faint">{value.toLowerCase()}</span>
    );
  }
  if (["type", "dataType", "source"].includes(name) && typeof value === "string") return <span className="tag">{value}</span>;
  switch (column?.type) {
    case "timestamp":
      return <Time at={String(value)} />;
    case "integer":
    case "number":
      return <span className={value === 0 ? "number faint" : "number"}>{numberText(name, value)}</span>;
    case "boolean":
      return String(value);
    case "list":
      return Array.isArray(value) ? value.map(String).join(", ") : String(value);
    case "text":
      return isId(name) || column.payload || column.json ? <span className="mono">{line(value)}</span> : line(value);
    default:
      return <span className="mono">{line(value)}</span>;
  }
}

/** Columns in seconds, which their names do not say. */
const SECONDS = ["latency", "timeToFirstToken", "sessionDuration"];

/** With the unit of the column. */
export function numberText(name: string, value: unknown): string {
  // Numbers beyond a double's digits come as texts.
  if (typeof value !== "number") return String(value);
  if (name.endsWith("Ms")) return duration(value);
  if (SECONDS.includes(name)) return duration(value * 1_000);
  if (name.endsWith("Cost")) return dollars(value);
  return plain(value);
}

/** Whether the column holds ids, which are compared character by character. */
export function isId(name: string): boolean {
  return name === "id" || name.endsWith("Id");
}

/** Everything as one line of text. */
function line(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.replace(/\s+/g, " ");
}
