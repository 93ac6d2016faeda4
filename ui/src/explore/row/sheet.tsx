import { Tabs } from "radix-ui";
import type { ReactNode } from "react";

import type { Table } from "../../api/catalog";
import { problemOf } from "../../api/problem";
import { dollars, plain } from "../../format/numbers";
import { duration } from "../../format/times";
import { IconButton } from "../../parts/button";
import { CopyButton, Copyable } from "../../parts/copy";
import { Face, Failed, SkeletonLines } from "../../parts/faces";
import { Sheet } from "../../parts/sheet";
import { Time } from "../../parts/time";
import { words } from "../../words";
import { Cell, isId } from "../cell";
import { titleOf } from "../columns";
import { useRow, type Cells } from "../rows";
import { chatOf, isChat } from "./chat";
import { Comments } from "./comments";
import { jsonText } from "./json";
import { Messages } from "./messages";
import { Payload } from "./payload";
import { RowScores } from "./scores";

interface RowSheetProps {
  table: Table;
  rowKey: string;
  tab: string | null;
  onTab: (tab: string) => void;
  /** Goes to another row; null where the list is empty. */
  step: ((by: number) => void) | null;
  close: () => void;
}

/** Everything of one row, nothing cut. */
export function RowSheet({ table, rowKey, tab, onTab, step, close }: RowSheetProps) {
  const row = useRow(table.name, rowKey);
  const cells = row.data?.cells as Cells | undefined;
  return (
    <Sheet
      label={words.explore.row.label}
      close={close}
      title={cells ? <Head table={table} cells={cells} /> : row.isPending && <SkeletonLines lines={2} />}
      actions={
        step && (
          <>
            <span style={{ transform: "rotate(90deg)" }}>
              <IconButton name={words.explore.row.previous} icon="back" onClick={() => step(-1)} />
            </span>
            <span style={{ transform: "rotate(-90deg)" }}>
              <IconButton name={words.explore.row.next} icon="back" onClick={() => step(1)} />
            </span>
          </>
        )
      }
    >
      {row.isPending && (
        <div className="sheet-body">
          <SkeletonLines lines={10} />
        </div>
      )}
      {row.isError &&
        (problemOf(row.error).status === 404 ? (
          <Face icon="search" title={words.explore.row.goneTitle}>
            <p>{words.explore.row.gone}</p>
          </Face>
        ) : (
          <Failed error={row.error} retry={() => void row.refetch()} />
        ))}
      {cells && <Content key={rowKey} table={table} cells={cells} tab={tab} onTab={onTab} />}
    </Sheet>
  );
}

function Head({ table, cells }: { table: Table; cells: Cells }) {
  const text = (name: string) => (typeof cells[name] === "string" && cells[name] !== "" ? String(cells[name]) : null);
  const number = (name: string) => (typeof cells[name] === "number" ? cells[name] : null);
  const time = text("startTime") ?? text("timestamp") ?? text("createdAt");
  const tokens = (cells["usageDetails"] as Record<string, number> | null)?.["total"] ?? number("totalTokens");
  const seconds = number("latency");
  const latency = number("latencyMs") ?? (seconds === null ? null : seconds * 1_000);
  const cost = number("totalCost");
  const model = text("providedModelName") ?? text("model");
  return (
    <>
      <h2 className="clip">{text("name") ?? text("id")}</h2>
      <div className="facts-line">
        {["type", "level", "dataType"].map((name) => text(name) && <Cell key={name} table={table} name={name} value={cells[name]} />)}
        {time && <Time at={time} />}
        {latency !== null && <span className="number">{duration(latency)}</span>}
        {cost !== null && cost > 0 && <span className="number">{dollars(cost)}</span>}
        {tokens !== null && tokens !== undefined && <span className="number">{words.explore.row.tokens(plain(tokens))}</span>}
        {model && <span className="mono">{model}</span>}
      </div>
    </>
  );
}

const EMPTY: unknown[] = [null, undefined, ""];

function Content({ table, cells, tab, onTab }: { table: Table; cells: Cells; tab: string | null; onTab: (tab: string) => void }) {
  const names = words.explore.row.tabs;
  const has = (name: string) => name in cells && !EMPTY.includes(cells[name]);
  const chat = isChat(chatOf(cells["input"])) || isChat(chatOf(cells["output"]));
  const tabs: [string, ReactNode][] = [];
  if (chat) tabs.push(["messages", <Messages input={cells["input"]} output={cells["output"]} />]);
  if (has("input")) tabs.push(["input", <Payload value={cells["input"]} />]);
  if (has("output")) tabs.push(["output", <Payload value={cells["output"]} />]);
  if ("metadata" in cells) tabs.push(["metadata", <Payload value={cells["metadata"]} />]);
  if (table.scores || table.name === "traces") tabs.push(["scores", <RowScores table={table} cells={cells} />]);
  if (table.comments) tabs.push(["comments", <Comments objectType={table.comments} objectId={String(cells["id"])} />]);
  tabs.push(["raw", <Raw table={table} cells={cells} />]);
  const first = tabs[0]![0];
  const current = tabs.some(([name]) => name === tab) ? tab! : first;
  return (
    <Tabs.Root value={current} onValueChange={onTab} activationMode="manual" style={{ display: "contents" }}>
      <Tabs.List className="tabs" aria-label={words.explore.row.label}>
        {tabs.map(([name]) => (
          <Tabs.Trigger key={name} className="tab" value={name}>
            {names[name]}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
      {tabs.map(([name, content]) => (
        <Tabs.Content key={name} className="sheet-body" value={name}>
          {name === current && content}
        </Tabs.Content>
      ))}
    </Tabs.Root>
  );
}

/** Every column with what is in it, and all of it as JSON to be copied. */
function Raw({ table, cells }: { table: Table; cells: Cells }) {
  const payload = (name: string) => table.columns.find((column) => column.name === name)?.payload ?? false;
  const short = Object.entries(cells).filter(([name, value]) => !payload(name) && name !== "metadata" && !EMPTY.includes(value));
  return (
    <div className="stack">
      <div className="row">
        <CopyButton text={jsonText(cells) ?? ""}>{words.explore.row.copyJson}</CopyButton>
        <CopyButton text={location.href}>{words.explore.row.copyLink}</CopyButton>
      </div>
      <dl className="facts">
        {short.map(([name, value]) => (
          <div key={name} style={{ display: "contents" }}>
            <dt title={name}>{titleOf(name)}</dt>
            <dd>{isId(name) ? <Copyable text={String(value)} label={titleOf(name)} /> : <Value value={value} />}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function Value({ value }: { value: unknown }) {
  if (typeof value === "object" && value !== null) return <Payload value={value} bare />;
  return <span className={typeof value === "number" ? "number" : ""}>{String(value)}</span>;
}
