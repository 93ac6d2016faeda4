import "../styles/explore.css";

import { lazy, Suspense, useCallback, useMemo, useRef, useState } from "react";

import { useCatalog, type Table } from "../api/catalog";
import { problemOf, type Problem } from "../api/problem";
import { useKeys } from "../app/keys";
import { useProject } from "../app/project";
import { ExportButton } from "../export/button";
import { selectedOf, type Selected } from "../export/selected";
import { Button, IconButton } from "../parts/button";
import { Empty, Face, Failed, SkeletonLines } from "../parts/faces";
import { words } from "../words";
import { ColumnPicker } from "./column-picker";
import { SCORES, usualColumns, withScoresLast } from "./columns";
import { FilterBar } from "./filters/bar";
import { Grid } from "./grid";
import { keysOf } from "./identity";
import { RangePicker } from "./range-picker";
import { useHistogram, useRows, type Cells, type Row } from "./rows";
import { RowSheet } from "./row/sheet";
import { Search } from "./search";
import { axisOf, isNarrowed, NOTHING, rowsOf, zoomedTo, type Shown } from "./state";
import { useShown } from "./use-shown";

const Histogram = lazy(() => import("./histogram"));

/** A table's rows: look, narrow, take away. */
export function ExplorePage({ table: name }: { table: string }) {
  const catalog = useCatalog();
  if (catalog.isPending) return <PageSkeleton title={words.pages[name] ?? name} />;
  if (catalog.isLoadingError) return <Failed page error={catalog.error} retry={() => void catalog.refetch()} />;
  const table = catalog.data.tables.find((known) => known.name === name);
  if (!table) {
    return (
      <Face page icon="search" title={words.problem.notFoundTitle}>
        <p>{words.problem.notFound}</p>
      </Face>
    );
  }
  return <Explore table={table} />;
}

function PageSkeleton({ title }: { title: string }) {
  return (
    <div className="page">
      <div className="page-head">
        <h1>{title}</h1>
      </div>
      <div className="page-body">
        <SkeletonLines lines={12} />
      </div>
    </div>
  );
}

const NO_ROWS: Row[] = [];

function Explore({ table }: { table: Table }) {
  const [shown, change] = useShown();
  const wanted = useMemo(() => shown.columns ?? usualColumns(table), [shown.columns, table]);
  const pages = useRows(table, shown, wanted);
  const histogram = useHistogram(table, shown);
  const [chosen, setChosen] = useState(-1);
  const [selected, setSelected] = useState<ReadonlyMap<string, Selected>>(new Map());
  const openExport = useRef<HTMLButtonElement>(null);

  // Whatever leads to other rows, Back and Forward too: what was selected among those before is not meant any more.
  const which = JSON.stringify([rowsOf(shown), shown.order]);
  const [meant, setMeant] = useState(which);
  if (meant !== which) {
    setMeant(which);
    setChosen(-1);
    setSelected(new Map());
  }

  // What is at hand from before is not what is meant now.
  const isUnread = shown.unread.length > 0;
  const rows = useMemo(() => (isUnread ? null : pages.data)?.pages.flatMap((page) => page.rows) ?? NO_ROWS, [isUnread, pages.data]);
  // `scores` stands for columns that only the answer knows.
  const columns = useMemo(() => {
    const answered = pages.data?.pages[0]?.columns;
    if (!answered || !wanted.includes(SCORES)) return wanted;
    const isHidden = (column: string) => keysOf(table).includes(column) && !wanted.includes(column);
    return answered.filter((column) => !isHidden(column));
  }, [pages.data, wanted, table]);

  // The open row says where one is, whether it was opened here or by a link.
  const opened = useMemo(() => rows.findIndex((row) => row.key === shown.row), [rows, shown.row]);
  const current = opened < 0 ? chosen : opened;
  const open = useCallback(
    (index: number) => {
      const row = rows[index];
      if (!row) return;
      setChosen(index);
      change({ row: row.key }, shown.row === null ? undefined : "replace");
    },
    [rows, change, shown.row],
  );
  const select = useCallback(
    (key: string) => {
      const row = rows.find((known) => known.key === key);
      if (!row) return;
      setSelected((now) => {
        const next = new Map(now);
        if (!next.delete(key)) next.set(key, selectedOf(table, row.cells as Cells));
        return next;
      });
    },
    [rows, table],
  );
  const go = (index: number) => (shown.row === null ? setChosen(index) : open(index));
  const step = (by: number) => go(Math.min(Math.max(current + by, 0), rows.length - 1));
  const close = () => {
    setChosen(current);
    change({ row: null, tab: null });
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    Enter: () => open(Math.max(current, 0)),
    x: () => rows[current] && select(rows[current].key),
    e: () => openExport.current?.click(),
    Escape: () => shown.row !== null && close(),
  });
  const narrow = (part: Partial<Shown>, how?: "replace") => {
    change({ ...part, row: null, tab: null }, how);
  };
  const { fetchNextPage, hasNextPage, isFetching, isError } = pages;
  const stopped = pages.data?.pages.at(-1)?.stopped ?? null;
  const loadMore = useCallback(() => {
    // Where the server stopped for time or something failed, going on is asked for: it may take long or fail again.
    // And reading on would give up what is being asked once more.
    if (!isFetching && stopped === null && !isError) void fetchNextPage();
  }, [fetchNextPage, isFetching, stopped, isError]);
  const again = () => void (pages.isFetchNextPageError ? fetchNextPage() : pages.refetch());
  const counted = histogram.data?.bars.reduce((sum, bar) => sum + bar.rows, 0) ?? null;
  const isPartial = histogram.data?.stopped != null;
  const total = isPartial || histogram.isPlaceholderData ? null : counted;
  const problem = pages.error ? problemOf(pages.error) : null;

  return (
    <div className="page" data-fixed="">
      <div className="page-head">
        <h1>{words.pages[table.name] ?? table.name}</h1>
        <div className="actions">
          <ExportButton ref={openExport} table={table} shown={shown} columns={wanted} selected={[...selected.values()]} count={total} disabled={isUnread} />
        </div>
      </div>
      <div className="tools">
        {table.searchTypes.length > 0 && (
          <Search
            table={table}
            text={shown.search}
            types={shown.searchTypes}
            onChange={(part) => narrow(part, "replace")}
          />
        )}
        <RangePicker range={shown} timestamp={shown.timestamp} onChange={(range) => narrow(range)} />
        <div className="row" style={{ marginLeft: "auto" }}>
          <ColumnPicker table={table} columns={wanted} onChange={(next) => change({ columns: next }, "replace")} />
          <IconButton
            name={words.explore.refresh}
            icon="refresh"
            disabled={isUnread}
            onClick={() => {
              void pages.refetch();
              void histogram.refetch();
            }}
          />
        </div>
      </div>
      <FilterBar
        table={table}
        filter={shown.filter}
        unread={shown.unread}
        where={shown.where}
        rows={rowsOf(shown)}
        problem={problem}
        onChange={(part) => narrow(part)}
      />
      <div className="histogram-place">
        {!isUnread && histogram.data && histogram.data.bars.length > 0 && (
          <Suspense>
            <Histogram histogram={histogram.data} range={axisOf(shown)} onZoom={(range) => narrow(zoomedTo(range))} />
          </Suspense>
        )}
        {!isUnread && !problem && histogram.isLoadingError && (
          <div className="histogram-failed" role="alert">
            <span className="clip">{words.explore.histogramFailed(problemOf(histogram.error).message)}</span>
            <Button size="small" onClick={() => void histogram.refetch()}>
              {words.problem.retry}
            </Button>
          </div>
        )}
      </div>
      <div className="grid-frame" data-stale={pages.isPlaceholderData ? "" : undefined}>
        {isUnread && (
          <Face
            icon="warning"
            title={words.explore.filter.unreadTitle}
            actions={<Button onClick={() => narrow({ unread: [] })}>{words.explore.filter.removeUnread}</Button>}
          >
            <p>{words.explore.filter.unreadText}</p>
          </Face>
        )}
        {!isUnread && pages.isPending && (
          <div style={{ padding: "8px 16px" }}>
            <SkeletonLines lines={14} />
          </div>
        )}
        {!isUnread && problem && rows.length === 0 && <Failed error={problem} retry={again} />}
        {!isUnread && pages.isSuccess && rows.length === 0 && !hasNextPage && <NoRows table={table} shown={shown} clear={() => narrow(NOTHING_NARROWS)} />}
        {!isUnread && (rows.length > 0 || (hasNextPage && !problem)) && (
          <Grid
            table={table}
            columns={columns}
            rows={rows}
            current={current}
            openKey={shown.row}
            selected={new Set(selected.keys())}
            hasMore={hasNextPage}
            loadMore={loadMore}
            onGo={go}
            onOpen={open}
            onSelect={select}
            order={shown.order}
            onOrder={(order) => narrow({ order })}
            onReorder={(next) => change({ columns: wanted.includes(SCORES) ? withScoresLast(table, next) : next }, "replace")}
          />
        )}
        {shown.row !== null && (
          <RowSheet
            key={table.name}
            table={table}
            rowKey={shown.row}
            tab={shown.tab}
            onTab={(tab) => change({ tab }, "replace")}
            step={rows.length > 0 ? step : null}
            close={close}
          />
        )}
      </div>
      <Foot
        rows={rows.length}
        total={histogram.isPlaceholderData ? null : counted}
        failed={isUnread || histogram.isError}
        isPartial={isPartial}
        order={shown.order}
        loading={pages.isFetching}
        problem={rows.length > 0 ? problem : null}
        again={again}
        stopped={!isUnread && hasNextPage && stopped !== null}
        goOn={() => void fetchNextPage()}
        selected={selected.size}
        clearSelection={() => setSelected(new Map())}
      />
    </div>
  );
}

const NOTHING_NARROWS: Partial<Shown> = { ...NOTHING };
delete NOTHING_NARROWS.columns;
delete NOTHING_NARROWS.order;

function NoRows({ table, shown, clear }: { table: Table; shown: Shown; clear: () => void }) {
  const project = useProject();
  if (isNarrowed(shown)) {
    return (
      <Face icon="search" title={words.explore.nothingTitle} actions={<Button onClick={clear}>{words.explore.clearAll}</Button>}>
        <p>{words.explore.nothing}</p>
      </Face>
    );
  }
  return <Empty icon="table" title={words.explore.emptyTitle(table.name)} text={words.explore.empty} command={words.explore.emptyCommand(project.id)} />;
}

interface FootProps {
  rows: number;
  total: number | null;
  failed: boolean;
  isPartial: boolean;
  order: Shown["order"];
  loading: boolean;
  /** Why what was asked for last is not among the rows. */
  problem: Problem | null;
  again: () => void;
  stopped: boolean;
  goOn: () => void;
  selected: number;
  clearSelection: () => void;
}

function Foot({ rows, total, failed, isPartial, order, loading, problem, again, stopped, goOn, selected, clearSelection }: FootProps) {
  const text = words.explore;
  return (
    <div className="page-foot" role="status">
      <span className="number">{failed ? text.notCounted : total === null ? text.counting : isPartial ? text.rowsAtLeast(total) : text.rows(total)}</span>
      {isPartial && total !== null && <span>{text.histogramPartial}</span>}
      <span>{text.loaded(rows)}</span>
      <span>{text.order[order]}</span>
      {loading && <span>{text.loadingMore}</span>}
      {problem && !loading && (
        <>
          <span className="foot-problem">{text.notAll(problem.message)}</span>
          <Button size="small" onClick={again}>
            {words.problem.retry}
          </Button>
        </>
      )}
      {stopped && !loading && !problem && (
        <>
          <span>{text.searchedUntil}</span>
          <Button size="small" onClick={goOn}>
            {text.goOn}
          </Button>
        </>
      )}
      {selected > 0 && (
        <>
          <span>{text.selected(selected)}</span>
          <Button size="small" look="plain" onClick={clearSelection}>
            {text.clearSelection}
          </Button>
        </>
      )}
    </div>
  );
}
