import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link, useLocation } from "wouter";

import { useCatalog } from "../api/catalog";
import { answered, api, type Schemas } from "../api/client";
import { lastFailure, problemOf } from "../api/problem";
import { pathOf, useProject } from "../app/project";
import { Button } from "../parts/button";
import { ProblemNote, SkeletonLines } from "../parts/faces";
import { Check, SelectField, TextField } from "../parts/fields";
import { useSettled } from "../parts/settled";
import { Time, useNow } from "../parts/time";
import { words } from "../words";
import { usePreview, useWindows, type Integration, type Kind } from "./calls";
import { newOptions, settingsOf, type Draft } from "./draft";
import { windowWords } from "./looks";
import { isComplete, OptionFields } from "./options";
import { TableFields } from "./tables";
import { TestDestination, useTest } from "./test";
import { WhenFields } from "./when";

interface IntegrationFormProps {
  kinds: Kind[];
  /** What is changed; null for a new one. */
  known: Integration | null;
  begin: Draft;
  /** Begins again with what is stored now; fails where that cannot be asked for. */
  again?: () => Promise<void>;
}

/** What a test is of. */
const TESTED = ["kind", "options", "secrets", "prefix"];

/** Makes or changes an integration: a form from what the kind says of itself, a test, and a look at what will come. */
export function IntegrationForm({ kinds, known, begin, again }: IntegrationFormProps) {
  const project = useProject();
  const cache = useQueryClient();
  const [, go] = useLocation();
  const formats = useCatalog().data?.formats ?? [];
  const [draft, setDraft] = useState(begin);
  // The draft was made from this version. What is known goes on to be asked for, and may be a later one.
  const [version] = useState(known?.version ?? 0);
  // Counts what was entered as secrets: they do not belong into keys of the cache, but what they change is asked again.
  const [revision, setRevision] = useState(0);
  const set = (change: Partial<Draft>) => {
    setDraft((now) => ({ ...now, ...change }));
    if (change.secrets) setRevision((now) => now + 1);
    if (TESTED.some((part) => part in change)) testing.forget();
  };
  const kindOf = (name: string) => kinds.find((one) => one.name === name) ?? kinds[0]!;
  const kind = kindOf(draft.kind);
  const hasFiles = kind.takes === "files";
  const isText = formats.find((format) => format.name === draft.format)?.compressible ?? true;
  const settings = useMemo(() => settingsOf(draft, isText, kind), [draft, isText, kind]);
  const request: Schemas["IntegrationRequest"] = { name: draft.name || kind.title, kind: draft.kind, paused: draft.paused, ...settings };
  // Where it began is history by now; the field shows it to the second only.
  const change: Schemas["IntegrationChange"] = { version, name: draft.name, ...settings, start: null };
  const path = { project: project.id, integration: known?.id ?? "" };

  const save = useMutation({
    mutationFn: () =>
      known
        ? answered(api.PATCH("/api/v1/projects/{project}/integrations/{integration}", { params: { path }, body: change }))
        : answered(api.POST("/api/v1/projects/{project}/integrations", { params: { path: { project: project.id } }, body: request })),
    onSuccess: async (made) => {
      await cache.invalidateQueries({ queryKey: ["integrations", project.id] });
      cache.removeQueries({ queryKey: ["integration-windows", project.id, made.id] });
      cache.setQueryData(["integration", project.id, made.id], made);
      go(pathOf(project.id, "integrations", made.id));
    },
  });
  const renew = useMutation({ mutationFn: async () => again?.() });
  // What a test says takes the place of why saving was refused, which is not to come back when the test is forgotten.
  const forgetRefusal = () => {
    if (save.isError) save.reset();
  };
  const testing = useTest(known ? { id: known.id, change } : { request }, forgetRefusal);
  const failure = lastFailure(save, testing.test);
  const problem = failure ? problemOf(failure) : null;
  const text = words.integrations.form;
  return (
    <div className="page">
      <div className="page-head">
        <h1>{known ? words.integrations.edit(known.name) : words.integrations.new}</h1>
      </div>
      <div className="page-body integration-form">
        <form
          onSubmit={(event) => {
            // Filters are entered in forms of their own, whose events come by here too.
            if (event.target !== event.currentTarget) return;
            event.preventDefault();
            save.mutate();
          }}
        >
          <fieldset className="fields form-section">
            <legend>{words.integrations.sections.connection}</legend>
            <TextField label={text.name} required value={draft.name} placeholder={kind.title} problem={problem?.of("name")} onChange={(name) => set({ name })} />
            <SelectField
              label={text.kind}
              value={draft.kind}
              disabled={known !== null}
              options={kinds.map((one) => ({ value: one.name, label: one.title }))}
              help={kind.doc}
              onChange={(next) => set({ kind: next, options: newOptions(kindOf(next), project.name), secrets: {} })}
            />
            <OptionFields
              key={kind.name}
              kind={kind}
              options={draft.options}
              secrets={draft.secrets}
              stored={known?.secrets ?? []}
              problem={problem}
              onOptions={(options) => set({ options })}
              onSecrets={(secrets) => set({ secrets })}
            />
            {hasFiles && (
              <TextField label={text.prefix} help={text.prefixHelp} className="input mono" value={draft.prefix} problem={problem?.of("prefix")} onChange={(prefix) => set({ prefix })} />
            )}
            <TestDestination test={testing.test} steps={testing.steps} />
          </fieldset>
          <fieldset className="fields form-section">
            <legend>{words.integrations.sections.what}</legend>
            <TableFields kind={kind} tables={draft.tables} problem={problem} onChange={(tables) => set({ tables })} />
            {hasFiles && (
              <div className="field-row">
                <SelectField
                  label={text.format}
                  value={draft.format}
                  options={formats.map(({ name }) => ({ value: name, label: name }))}
                  onChange={(format) => set({ format })}
                />
                {isText && (
                  <SelectField
                    label={text.compression}
                    value={draft.compression}
                    options={(["none", "gzip", "zstd"] as const).map((value) => ({ value, label: value }))}
                    onChange={(compression) => set({ compression })}
                  />
                )}
              </div>
            )}
          </fieldset>
          <WhenFields draft={draft} hasFiles={hasFiles} isNew={known === null} problem={problem} onChange={set} />
          {!known && <Check checked={draft.paused} label={text.paused} onChange={(paused) => set({ paused })} />}
          {problem && <ProblemNote error={problem} />}
          {again && problem?.status === 409 && (
            <>
              <div className="row">
                <Button icon="undo" busy={renew.isPending} onClick={() => renew.mutate()}>
                  {text.again}
                </Button>
                <span className="field-help">{text.againHelp}</span>
              </div>
              {renew.error && <ProblemNote error={renew.error} />}
            </>
          )}
          <div className="row">
            <Button type="submit" look="primary" busy={save.isPending}>
              {known ? text.save : text.create}
            </Button>
            <Link className="button" href={known ? pathOf(project.id, "integrations", known.id) : pathOf(project.id, "integrations")}>
              {text.cancel}
            </Link>
          </div>
        </form>
        {known ? <SavedWindows id={known.id} /> : <NextWindows request={isComplete(kind, draft.options) ? request : null} revision={revision} />}
      </div>
    </div>
  );
}

/** The next five windows and the keys of their files, as the form says so far. */
function NextWindows({ request, revision }: { request: Schemas["IntegrationRequest"] | null; revision: number }) {
  const asked = useSettled({ request, revision });
  const preview = usePreview(asked.request, asked.revision);
  return <Preview title={words.integrations.preview} note={request ? null : words.integrations.previewEmpty} preview={preview} />;
}

/** Those of an integration as it is stored: the API shows none of a change that is not. */
function SavedWindows({ id }: { id: string }) {
  return <Preview title={words.integrations.previewSaved} note={words.integrations.previewSavedNote} preview={useWindows(id)} />;
}

function Preview({ title, note, preview }: { title: string; note: string | null; preview: ReturnType<typeof usePreview> }) {
  const now = useNow();
  return (
    <aside className="preview" aria-label={title}>
      <h2>{title}</h2>
      {note !== null && <p className="muted">{note}</p>}
      {preview.isLoading && <SkeletonLines lines={5} />}
      {preview.isError && <p className="muted">{problemOf(preview.error).message}</p>}
      <ol className="stack">
        {!preview.isError &&
          preview.data?.map((window) => (
            <li key={window.from}>
              <div>{windowWords(window.from, window.to, now)}</div>
              <div className="muted">
                {words.integrations.previewAt} <Time at={window.at} always="relative" />
              </div>
              {window.files.map((file) => (
                <div key={file} className="mono faint" style={{ overflowWrap: "anywhere" }}>
                  {file}
                </div>
              ))}
            </li>
          ))}
      </ol>
    </aside>
  );
}
