import { scaleLinear, scaleTime } from "d3-scale";
import { useEffect, useMemo, useRef, useState, type PointerEvent } from "react";

import type { Schemas } from "../api/client";
import { compact, exact, instant, tickText } from "../format/times";
import { count } from "../format/numbers";
import { useNow } from "../parts/time";
import { words } from "../words";
import type { Range } from "./ranges";

interface HistogramProps {
  histogram: Schemas["Histogram"];
  range: Range;
  onZoom: (range: Range) => void;
}

const AXIS = 16;
const LEFT = 36;

/** Labels nearer to an edge would be cut off. */
const EDGE = 24;

/** Distance below which dragging is a click. */
const CLICK = 4;

interface Bar {
  from: number;
  to: number;
  rows: number;
  partial: boolean;
}

/** Rows over time; dragging over bars narrows the time range to them. */
export default function Histogram({ histogram, range, onZoom }: HistogramProps) {
  const frame = useRef<HTMLDivElement>(null);
  const { width, height } = useSize(frame);
  const now = useNow();
  const [over, setOver] = useState<number | null>(null);
  const [drag, setDrag] = useState<{ start: number; end: number } | null>(null);
  const bars = useMemo(() => barsOf(histogram), [histogram]);
  const step = histogram.stepSeconds * 1_000;
  const first = bars[0]?.from ?? now.getTime() - step;
  const last = bars.at(-1)?.to ?? now.getTime();
  const since = (range.since && instant(range.since)?.getTime()) || first;
  const until = (range.until && instant(range.until)?.getTime()) || last;
  const x = scaleTime([new Date(Math.min(since, first)), new Date(Math.max(until, last))], [LEFT, Math.max(width, LEFT + 1)]);
  const y = scaleLinear([0, Math.max(1, ...bars.map((bar) => bar.rows))], [height - AXIS, 4]).nice(2);

  const at = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(Math.max(event.clientX - box.left, LEFT), width);
  };
  const barAt = (place: number) => {
    const time = x.invert(place).getTime();
    const index = bars.findIndex((bar) => bar.from <= time && time < bar.to);
    return index < 0 ? null : index;
  };
  const zoom = (start: number, end: number) => {
    // Whole bars: what is zoomed to is what was seen.
    const align = (place: number, round: (value: number) => number) => {
      const time = x.invert(place).getTime();
      return first + round((time - first) / step) * step;
    };
    const clicked = Math.abs(end - start) < CLICK;
    const [left, right] = clicked ? [start, start + 0.01] : [Math.min(start, end), Math.max(start, end)];
    if (clicked && barAt(start) === null) return;
    const from = align(left, Math.floor);
    const to = Math.max(align(right, Math.ceil), from + step);
    onZoom({ since: new Date(from).toISOString(), until: new Date(to).toISOString() });
  };
  const shown = over === null ? undefined : bars[over];
  return (
    <div ref={frame} className="histogram">
      <svg
        className="plot"
        role="img"
        aria-label={`${words.explore.histogram}: ${words.explore.rows(bars.reduce((sum, bar) => sum + bar.rows, 0))}`}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag({ start: at(event), end: at(event) });
        }}
        onPointerMove={(event) => {
          const place = at(event);
          setOver(barAt(place));
          if (drag) setDrag({ ...drag, end: place });
        }}
        onPointerUp={() => {
          if (drag) zoom(drag.start, drag.end);
          setDrag(null);
        }}
        onPointerCancel={() => setDrag(null)}
        onPointerLeave={() => !drag && setOver(null)}
      >
        <g className="axis">
          {y.ticks(2).filter((tick) => tick > 0 && Number.isInteger(tick)).map((tick) => (
            <g key={tick}>
              <line x1={LEFT} x2={width} y1={y(tick)} y2={y(tick)} />
              <text x={LEFT - 6} y={y(tick)} dy="0.32em" textAnchor="end">
                {short(tick)}
              </text>
            </g>
          ))}
          <line x1={LEFT} x2={width} y1={height - AXIS + 0.5} y2={height - AXIS + 0.5} />
          {x.ticks(Math.max(2, Math.floor(width / 130))).filter((tick) => x(tick) > LEFT + EDGE && x(tick) < width - EDGE).map((tick) => (
            <text key={tick.getTime()} x={x(tick)} y={height - 3} textAnchor="middle">
              {tickText(tick)}
            </text>
          ))}
        </g>
        {bars.map((bar, index) => {
          const left = x(new Date(bar.from));
          const right = x(new Date(bar.to));
          return (
            <rect
              key={bar.from}
              className="bar-rect"
              data-over={index === over ? "" : undefined}
              data-partial={bar.partial ? "" : undefined}
              x={left}
              width={Math.max(1, right - left - 1)}
              y={Math.min(y(bar.rows), height - AXIS - 1)}
              height={Math.max(1, height - AXIS - y(bar.rows))}
            />
          );
        })}
        {drag && Math.abs(drag.end - drag.start) >= CLICK && (
          <rect
            className="brush"
            x={Math.min(drag.start, drag.end)}
            width={Math.abs(drag.end - drag.start)}
            y={0}
            height={height - AXIS}
          />
        )}
      </svg>
      {shown && (
        <div className="histogram-tip" style={tipPlace(x(new Date(shown.from)), width)}>
          {words.explore.bar(step >= 1_000 ? compact(new Date(shown.from), now) : exact(new Date(shown.from)), shown.rows)}
        </div>
      )}
      <p className="hidden">{words.explore.histogramHelp}</p>
    </div>
  );
}

function barsOf(histogram: Schemas["Histogram"]): Bar[] {
  const step = histogram.stepSeconds * 1_000;
  const complete = histogram.completeFrom === null ? null : instant(histogram.completeFrom)?.getTime();
  return histogram.bars.flatMap((bar) => {
    const from = instant(bar.from)?.getTime();
    if (from === undefined) return [];
    return [{ from, to: from + step, rows: bar.rows, partial: complete != null && from < complete }];
  });
}

/** Beside the bar, on the side with room. */
function tipPlace(left: number, width: number): { left?: number; right?: number } {
  return left > width / 2 ? { right: width - left + 8 } : { left: left + 12 };
}

function short(value: number): string {
  if (value >= 1_000_000) return `${value / 1_000_000}M`;
  return value >= 1_000 ? `${value / 1_000}k` : count(value);
}

function useSize(frame: React.RefObject<HTMLDivElement | null>): { width: number; height: number } {
  const [size, setSize] = useState({ width: 0, height: 84 });
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const watcher = new ResizeObserver(() => setSize({ width: element.clientWidth, height: element.clientHeight }));
    watcher.observe(element);
    return () => watcher.disconnect();
  }, [frame]);
  return size;
}
