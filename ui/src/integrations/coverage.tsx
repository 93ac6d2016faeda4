import { useRef, useState, type KeyboardEvent } from "react";

import { count } from "../format/numbers";
import { Hint } from "../parts/button";
import { Failed, Stale } from "../parts/faces";
import { Icon, type IconName } from "../parts/icons";
import { useNow } from "../parts/time";
import { words } from "../words";
import { useCoverage, useWindows, type WindowRun } from "./calls";
import { cellsOf, idOf, pausedOf, type Cell, type CellState } from "./cells";
import { windowWords } from "./looks";

interface CoverageStripProps {
  id: string;
  active: boolean;
  paused: boolean;
  runs: WindowRun[];
  open: string | null;
  onOpen: (run: string) => void;
}

/** States in the order of the legend. Some have a sign besides their colour, in the cell too. */
const SIGNS: [CellState, IconName | null][] = [
  ["exported", null],
  ["verified", "check"],
  ["reexported", "refresh"],
  ["running", null],
  ["waiting", null],
  ["failed", "cross"],
  ["cancelled", null],
  ["missing", null],
  ["paused", "pause"],
];

/** What became of every window: time from left to right, a cell a window. One stop for Tab, arrows move within. */
export function CoverageStrip({ id, active, paused, runs, open, onOpen }: CoverageStripProps) {
  const coverage = useCoverage(id, active);
  const next = useWindows(paused ? id : null);
  const now = useNow();
  const strip = useRef<HTMLDivElement>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const text = words.integrations.detail;
  if (coverage.isLoadingError) return <Failed error={coverage.error} retry={() => void coverage.refetch()} />;
  const waiting = paused ? pausedOf(next.data ?? [], now) : [];
  const cells = [...cellsOf(runs, coverage.data ?? []), ...waiting];
  const last = cells.length - 1;
  const known = cells.findIndex((cell) => idOf(cell) === chosen);
  const current = known < 0 ? last : known;
  const move = (event: KeyboardEvent) => {
    const to = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const place = Math.min(Math.max(to, 0), last);
    setChosen(idOf(cells[place]!));
    (strip.current?.children[place] as HTMLElement | undefined)?.focus();
  };
  const label = (cell: Cell) => text.cell(windowWords(cell.from, cell.to, now), text.states[cell.state], cell.windows);
  return (
    <section className="section" aria-label={text.coverage}>
      <h2>{text.coverage}</h2>
      <Stale query={coverage} />
      {coverage.data && cells.length === 0 && <p className="faint">{text.noCoverage}</p>}
      {cells.length > 0 && (
        <>
          <p className="hidden" id="coverage-help">
            {text.coverageHelp}
          </p>
          <div ref={strip} className="coverage" role="toolbar" aria-label={text.coverage} aria-describedby="coverage-help" onKeyDown={move}>
            {cells.map((cell, place) => {
              const sign = SIGNS.find(([state]) => state === cell.state)?.[1];
              return (
                <Hint key={idOf(cell)} text={label(cell)}>
                  <button
                    type="button"
                    data-state-is={cell.state}
                    data-many={cell.windows > 1 ? "" : undefined}
                    tabIndex={place === current ? 0 : -1}
                    aria-label={label(cell)}
                    aria-disabled={cell.run === null || undefined}
                    aria-expanded={cell.run !== null && cell.run === open}
                    onFocus={() => setChosen(idOf(cell))}
                    onClick={() => cell.run && onOpen(cell.run)}
                  >
                    {cell.windows > 1 ? count(cell.windows) : sign && <Icon name={sign} size={12} />}
                  </button>
                </Hint>
              );
            })}
          </div>
          <Legend cells={cells} />
        </>
      )}
    </section>
  );
}

/** The states that occur, and how many windows are in each. */
function Legend({ cells }: { cells: Cell[] }) {
  const text = words.integrations.detail;
  const occurring = SIGNS.map(([state, sign]) => ({ state, sign, of: cells.filter((cell) => cell.state === state) }));
  return (
    <ul className="legend">
      {occurring
        .filter(({ of }) => of.length > 0)
        .map(({ state, sign, of }) => (
          <li key={state}>
            <span className="legend-mark" data-state-is={state}>
              {sign && <Icon name={sign} size={12} />}
            </span>
            {text.inState(
              of.reduce((sum, cell) => sum + cell.windows, 0),
              text.states[state],
            )}
          </li>
        ))}
    </ul>
  );
}
