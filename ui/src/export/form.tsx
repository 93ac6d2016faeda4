import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { useCatalog, type Table } from "../api/catalog";
import { answered, api, serverUrl, type Schemas } from "../api/client";
import { problemOf } from "../api/problem";
import { useProject } from "../app/project";
import { remember, remembered } from "../app/theme";
import { groupsOf } from "../explore/columns";
import type { Shown } from "../explore/state";
import { count as counted } from "../format/numbers";
import { Button } from "../parts/button";
import { CopyButton } from "../parts/copy";
import { Note, ProblemNote } from "../parts/faces";
import { Check, Segments } from "../parts/fields";
import { Icon } from "../parts/icons";
import { useSettled } from "../parts/settled";
import { useToast } from "../parts/toasts";
import { words } from "../words";
import { cliCommand, curlCommand } from "./commands";
import { MoreOptions } from "./more";
import { leavesOutComments, requestOf, USUAL_OPTIONS, type Options } from "./request";
import type { Selected } from "./selected";
import { ExportToast } from "./toast";

interface ExportFormProps {
  table: Table;
  shown: Shown;
  columns: string[];
  selected: Selected[];
  count: number | null;
  close: () => void;
}

const FORMAT = "outgest.format";

/** Fields that few need, which are folded away. */
const MORE = ["masks", "limit", "rollBytes"];

/** What is exported and how, with what it will be, before it is. */
export default function ExportForm({ table, shown, columns, selected, count, close }: ExportFormProps) {
  const catalog = useCatalog().data;
  const project = useProject();
  const cache = useQueryClient();
  const toast = useToast();
  const formats = catalog?.formats ?? [];
  const [options, setOptions] = useState<Options>(() => {
    const last = formats.find((format) => format.name === remembered(FORMAT));
    return { ...USUAL_OPTIONS, format: (last ?? formats[0])?.name ?? "csv" };
  });
  const [more, setMore] = useState(false);
  const set = (change: Partial<Options>) => {
    setOptions((now) => ({ ...now, ...change }));
    // What was refused is not what is asked for now.
    if (create.isError) create.reset();
  };
  const request = useMemo(
    () => (catalog ? requestOf({ table, shown, visible: columns, selected, options, catalog }) : null),
    [catalog, table, shown, columns, selected, options],
  );
  const estimate = useEstimate(request);
  const create = useMutation({
    mutationFn: (asked: Schemas["ExportRequest"]) =>
      answered(api.POST("/api/v1/projects/{project}/exports", { params: { path: { project: project.id } }, body: asked })),
    onSuccess: (made) => {
      remember(FORMAT, options.format);
      void cache.invalidateQueries({ queryKey: ["exports", project.id] });
      toast(<ExportToast project={project.id} made={made} />);
      close();
    },
    // What is refused is in view.
    onError: (error) => MORE.some((field) => problemOf(error).of(field)) && setMore(true),
  });
  if (!catalog || !request) return null;

  const text = words.exports;
  const format = formats.find((known) => known.name === options.format);
  const onlySelected = options.selectedOnly && selected.length > 0;
  const matching = onlySelected ? selected.length : count;
  const limit = Number(options.limit) > 0 ? Number(options.limit) : Infinity;
  const rows = matching === null ? null : Math.min(matching, limit);
  const failure = create.error ?? estimate.error;
  const problem = failure ? problemOf(failure) : null;
  const notes = new Set([...(leavesOutComments({ table, shown, catalog }) ? [text.commentsNote] : []), ...(estimate.data?.warnings ?? [])]);
  return (
    <form
      className="export-form"
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate(request);
      }}
    >
      <div aria-live="polite">
        <div className="export-size">
          {rows !== null ? text.exactly(rows) : estimate.data ? text.upTo(estimate.data.rowsMax, estimate.data.bytesMax) : text.estimating}
        </div>
        {estimate.data && (
          <p className="field-help">
            {rows !== null ? `${text.upTo(estimate.data.rowsMax, estimate.data.bytesMax)} ${text.before}` : text.upperBound}
          </p>
        )}
      </div>
      {selected.length > 0 && (
        <Check checked={options.selectedOnly} label={text.selectedOnly(selected.length)} onChange={(selectedOnly) => set({ selectedOnly })} />
      )}
      <div className="field">
        <span className="field-label">{text.format}</span>
        <Segments
          label={text.format}
          value={options.format}
          options={formats.map(({ name }) => ({ value: name, label: text.formatName(name) }))}
          onChange={(chosen) => set({ format: chosen })}
        />
      </div>
      <div className="field">
        <span className="field-label">{text.compression}</span>
        {format?.compressible === false ? (
          <p className="field-help" style={{ lineHeight: "30px" }}>
            {text.compressedInside(text.formatName(format.name))}
          </p>
        ) : (
          <Segments
            label={text.compression}
            value={options.compression}
            options={(["none", "gzip", "zstd"] as const).map((value) => ({ value, label: text.compressions[value]! }))}
            onChange={(compression) => set({ compression })}
          />
        )}
      </div>
      <div className="field">
        <span className="field-label">{text.columns}</span>
        <Segments
          label={text.columns}
          value={options.columns}
          options={(["usual", "visible", "all", "groups"] as const).map((value) => ({ value, label: text.columnChoices[value]! }))}
          onChange={(chosen) => set({ columns: chosen })}
        />
        {options.columns === "groups" && <Groups table={table} chosen={options.groups} onChange={(groups) => set({ groups })} />}
      </div>
      <div>
        <Button size="small" look="plain" aria-expanded={more} onClick={() => setMore(!more)}>
          {more ? text.less : text.more}
          <Icon name="chevron" size={12} />
        </Button>
      </div>
      {more && <MoreOptions options={options} problem={problem} onChange={set} />}
      {[...notes].map((note) => (
        <Note key={note}>{note}</Note>
      ))}
      {problem && <ProblemNote error={problem} />}
      <div className="export-end">
        <CopyButton text={cliCommand(serverUrl, project.id, request)}>{text.copyCli}</CopyButton>
        <CopyButton text={curlCommand(serverUrl, project.id, request)}>{text.copyCurl}</CopyButton>
        <Button
          type="submit"
          look="primary"
          busy={create.isPending}
          disabled={options.columns === "groups" && options.groups.length === 0}
          style={{ marginLeft: "auto" }}
        >
          {text.start(rows)}
        </Button>
      </div>
    </form>
  );
}

function useEstimate(request: Schemas["ExportRequest"] | null) {
  const project = useProject();
  // The name changes nothing of the size.
  const { name: _, ...now } = request ?? { table: "" };
  const asked = useSettled(now);
  return useQuery({
    queryKey: ["estimate", project.id, asked],
    enabled: asked.table !== "",
    placeholderData: keepPreviousData,
    retry: false,
    queryFn: ({ signal }) =>
      answered(api.POST("/api/v1/projects/{project}/exports/estimate", { params: { path: { project: project.id } }, body: asked, signal })),
  });
}

function Groups({ table, chosen, onChange }: { table: Table; chosen: string[]; onChange: (groups: string[]) => void }) {
  return (
    <fieldset style={{ display: "grid", gridTemplateColumns: "1fr 1fr", gap: 4 }}>
      <legend className="hidden">{words.exports.groups}</legend>
      {groupsOf(table).map(([group, columns]) => (
        <Check
          key={group}
          checked={chosen.includes(group)}
          label={
            <>
              {group.replaceAll("_", " ")} <span className="faint number">{counted(columns.length)}</span>
            </>
          }
          onChange={(isChosen) => onChange(isChosen ? [...chosen, group] : chosen.filter((other) => other !== group))}
        />
      ))}
    </fieldset>
  );
}
