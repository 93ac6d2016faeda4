import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";

import { answered, api, type Schemas } from "../api/client";
import { problemOf } from "../api/problem";
import { useMay, useProject } from "../app/project";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Note, ProblemNote } from "../parts/faces";
import { TextField } from "../parts/fields";
import { useToast } from "../parts/toasts";
import { words } from "../words";

const text = words.settings.general;

const QUOTAS = ["exportsActiveMax", "exportsQueuedMax", "rowsPerExportMax", "bytesPerDayMax"] as const;

/** Name, retention and quotas of the project; and its end. */
export function GeneralSection() {
  const project = useProject();
  const owner = useMay("owner");
  const cache = useQueryClient();
  const toast = useToast();
  const [name, setName] = useState(project.name);
  const [days, setDays] = useState(shown(project.retentionDays));
  const [quotas, setQuotas] = useState(() => QUOTAS.map((quota) => shown(project.quotas[quota])));
  const save = useMutation({
    mutationFn: (body: Schemas["ChangedProject"]) =>
      answered(api.PATCH("/api/v1/projects/{project}", { params: { path: { project: project.id } }, body })),
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: ["projects"] });
      toast(words.saved);
    },
  });
  const problem = save.error ? problemOf(save.error) : null;
  return (
    <div className="column">
      <form
        className="fields"
        style={{ maxWidth: 420 }}
        onSubmit={(event) => {
          event.preventDefault();
          const bounds = Object.fromEntries(QUOTAS.map((quota, index) => [quota, entered(quotas[index]!)]));
          save.mutate({ name, retentionDays: entered(days), quotas: bounds });
        }}
      >
        {!owner && <Note tone="idle">{text.ownersOnly}</Note>}
        <TextField label={text.id} value={project.id} readOnly className="input mono" onChange={() => undefined} />
        <TextField label={text.name} value={name} required readOnly={!owner} problem={problem?.of("name")} onChange={setName} />
        <TextField
          label={text.retention}
          help={text.retentionHelp}
          type="number"
          min={1}
          step={1}
          value={days}
          readOnly={!owner}
          problem={problem?.of("retentionDays")}
          onChange={setDays}
        />
        <fieldset className="fields" style={{ marginTop: 8 }}>
          <legend>
            <h2>{text.quotas}</h2>
            <p className="field-help">{text.quotasHelp}</p>
          </legend>
          {QUOTAS.map((quota, index) => (
            <TextField
              key={quota}
              label={text[quota]}
              type="number"
              min={0}
              step={1}
              value={quotas[index]!}
              readOnly={!owner}
              problem={problem?.of(`quotas.${quota}`)}
              onChange={(value) => setQuotas(quotas.map((other, at) => (at === index ? value : other)))}
            />
          ))}
        </fieldset>
        {problem && <ProblemNote error={problem} />}
        {owner && (
          <div>
            <Button type="submit" look="primary" busy={save.isPending}>
              {words.save}
            </Button>
          </div>
        )}
      </form>
      {owner && <Deletion />}
    </div>
  );
}

function Deletion() {
  const project = useProject();
  const cache = useQueryClient();
  const [, go] = useLocation();
  return (
    <div className="panel danger" style={{ marginTop: 40 }}>
      <h2>{text.danger}</h2>
      <p className="muted">{text.dangerText}</p>
      <div>
        <Confirm
          title={text.deleteTitle(project.name)}
          text={text.dangerText}
          verb={text.delete}
          typed={project.id}
          act={async () => {
            await answered(api.DELETE("/api/v1/projects/{project}", { params: { path: { project: project.id } } }));
            go("/projects");
            await cache.invalidateQueries({ queryKey: ["projects"] });
          }}
        >
          <Button icon="trash">{text.delete}</Button>
        </Confirm>
      </div>
    </div>
  );
}

function shown(value: number | null | undefined): string {
  return value === null || value === undefined ? "" : String(value);
}

function entered(text: string): number | null {
  return text.trim() === "" ? null : Number(text);
}
