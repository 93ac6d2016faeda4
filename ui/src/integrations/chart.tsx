import { useEffect, useRef, useState } from "react";

import { Hint } from "../parts/button";
import { Segments } from "../parts/fields";
import { useNow } from "../parts/time";
import { words } from "../words";
import type { WindowRun } from "./calls";
import { windowWords } from "./looks";

/** Windows that the chart shows; the latest are in view where not all of them have room. */
const BARS = 96;

/** Rows or bytes of each window, the latest at the right. */
export function WindowChart({ runs, onOpen }: { runs: WindowRun[]; onOpen: (run: string) => void }) {
  const [what, setWhat] = useState<"rows" | "bytes">("rows");
  const now = useNow();
  const text = words.integrations.detail;
  const done = runs.flatMap((run) => (run.result ? [{ run, result: run.result }] : [])).slice(0, BARS).reverse();
  const strip = useRef<HTMLDivElement>(null);
  const latest = done.at(-1)?.run.id;
  useEffect(() => {
    strip.current?.scrollTo({ left: strip.current.scrollWidth });
  }, [latest]);
  if (done.length < 2) return null;
  const most = Math.max(1, ...done.map(({ result }) => result[what]));
  return (
    <section className="section" aria-label={text.chart}>
      <div className="settings-head" style={{ marginBottom: 4 }}>
        <h2>{text.chart}</h2>
        <Segments
          label={text.chart}
          value={what}
          options={[
            { value: "rows", label: text.rows },
            { value: "bytes", label: text.bytes },
          ]}
          onChange={setWhat}
        />
      </div>
      <div className="window-chart" ref={strip}>
        {done.map(({ run, result }) => {
          const label = text.bar(windowWords(run.from, run.to, now), result.rows, result.bytes);
          return (
            <Hint key={run.id} text={label}>
              <button type="button" aria-label={label} onClick={() => onOpen(run.id)}>
                <span style={{ height: `${Math.max(2, (100 * result[what]) / most)}%` }} />
              </button>
            </Hint>
          );
        })}
      </div>
    </section>
  );
}
