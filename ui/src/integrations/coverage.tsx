import { Hint } from "../parts/button";
import { Failed } from "../parts/faces";
import { useNow } from "../parts/time";
import { words } from "../words";
import { useCoverage, type WindowRun } from "./calls";
import { windowWords } from "./looks";

interface CoverageStripProps {
  id: string;
  active: boolean;
  runs: WindowRun[];
  onOpen: (run: string) => void;
}

/** Which windows are exported, running, failed, or were never planned: time from left to right. */
export function CoverageStrip({ id, active, runs, onOpen }: CoverageStripProps) {
  const coverage = useCoverage(id, active);
  const now = useNow();
  const text = words.integrations.detail;
  if (coverage.isError) return <Failed error={coverage.error} retry={() => void coverage.refetch()} />;
  const stretches = coverage.data ?? [];
  return (
    <section className="section" aria-label={text.coverage}>
      <h2>{text.coverage}</h2>
      <p className="hidden">{text.coverageHelp}</p>
      {coverage.isSuccess && stretches.length === 0 && <p className="faint">{text.noCoverage}</p>}
      <div className="coverage">
        {stretches.map((stretch) => {
          const state = stretch.state ?? "missing";
          const word = stretch.state ? words.integrations.runs.states[stretch.state]!.toLowerCase() : text.missing;
          const label = text.stretch(stretch.windows, word, windowWords(stretch.from, stretch.to, now));
          const first = runs.find((run) => run.from >= stretch.from && run.from < stretch.to);
          return (
            <Hint key={stretch.from} text={label}>
              <button
                type="button"
                data-state-is={state}
                style={{ flexGrow: Math.max(1, stretch.windows) }}
                aria-label={label}
                onClick={() => first && onOpen(first.id)}
              />
            </Hint>
          );
        })}
      </div>
      {stretches.length > 0 && (
        <ul className="legend">
          {[...new Set(stretches.map((stretch) => stretch.state ?? "missing"))].map((state) => (
            <li key={state}>
              <span className="legend-mark" data-state-is={state} />
              {state === "missing" ? text.missing : words.integrations.runs.states[state]!.toLowerCase()}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
