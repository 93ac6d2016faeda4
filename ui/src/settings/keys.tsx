import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { answered, api, serverUrl, type Schemas } from "../api/client";
import { useProject } from "../app/project";
import { fromLocalField } from "../explore/ranges";
import { Button, IconButton } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Copyable } from "../parts/copy";
import { Empty, Failed, Note, ProblemNote, SkeletonLines, Stale } from "../parts/faces";
import { SelectField, TextField } from "../parts/fields";
import { Time } from "../parts/time";
import { words } from "../words";
import { ROLES } from "./roles";

const text = words.settings.keys;

/** The project's keys. A secret is shown once: when it is made. */
export function KeysSection() {
  const project = useProject();
  const cache = useQueryClient();
  const queryKey = ["keys", project.id];
  const keys = useQuery({
    queryKey,
    queryFn: () => answered(api.GET("/api/v1/projects/{project}/keys", { params: { path: { project: project.id } } })),
  });
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<Schemas["CreatedKey"] | null>(null);
  const remove = (key: string) =>
    answered(api.DELETE("/api/v1/projects/{project}/keys/{key}", { params: { path: { project: project.id, key } } })).then(() =>
      cache.invalidateQueries({ queryKey }),
    );
  if (keys.isPending) return <SkeletonLines lines={4} height={28} />;
  if (keys.isLoadingError) return <Failed error={keys.error} retry={() => void keys.refetch()} />;
  const create = (
    <Button look="primary" icon="add" onClick={() => setMaking(true)}>
      {text.create}
    </Button>
  );
  return (
    <>
      <div className="settings-head">
        <h2>{text.title}</h2>
        {!making && keys.data.length > 0 && create}
      </div>
      <Stale query={keys} />
      {made && <NewSecret made={made} done={() => setMade(null)} />}
      {making && (
        <NewKey
          done={(key) => {
            setMaking(false);
            if (key) setMade(key);
            void cache.invalidateQueries({ queryKey });
          }}
        />
      )}
      {keys.data.length === 0 && !making && !made && (
        <Empty icon="key" title={text.empty} text={text.emptyText} command={text.emptyCommand(project.id)} action={create} />
      )}
      {keys.data.length > 0 && (
        <div className="list-frame" tabIndex={0} role="region" aria-label={text.title}>
          <table className="list">
            <thead>
              <tr>
                <th>{text.note}</th>
                <th>{text.publicKey}</th>
                <th>{text.role}</th>
                <th>{text.lastUsed}</th>
                <th>{text.expires}</th>
                <th>{text.created}</th>
                <th>
                  <span className="hidden">{text.delete}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {keys.data.map((key) => (
                <tr key={key.id}>
                  <td>{key.note || <span className="faint">–</span>}</td>
                  <td>
                    <span className="mono">{key.publicKey}</span>
                    <div className="faint">{text.endsWith(key.secretEnds)}</div>
                  </td>
                  <td>{words.settings.roles[key.role]}</td>
                  <td className="muted">{key.lastUsedAt ? <Time at={key.lastUsedAt} /> : words.never}</td>
                  <td className="muted">{key.expiresAt ? <Time at={key.expiresAt} /> : words.never}</td>
                  <td className="muted">
                    <Time at={key.createdAt} />
                  </td>
                  <td className="end">
                    <Confirm title={text.deleteTitle} text={text.deleteText(key.note || key.publicKey)} verb={text.deleteVerb} act={() => remove(key.id)}>
                      <IconButtonForKey name={key.note || key.publicKey} />
                    </Confirm>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function IconButtonForKey({ name, ...rest }: { name: string }) {
  return <IconButton name={text.deleteNamed(name)} icon="trash" size="small" {...rest} />;
}

function NewKey({ done }: { done: (made: Schemas["CreatedKey"] | null) => void }) {
  const project = useProject();
  const [note, setNote] = useState("");
  const [role, setRole] = useState<Schemas["Role"]>("member");
  const [expires, setExpires] = useState("");
  const create = useMutation({
    mutationFn: () =>
      answered(
        api.POST("/api/v1/projects/{project}/keys", {
          params: { path: { project: project.id } },
          body: { role, note, expiresAt: fromLocalField(expires) },
        }),
      ),
    onSuccess: done,
  });
  return (
    <form
      className="panel"
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate();
      }}
    >
      <TextField label={text.note} placeholder={text.notePlaceholder} value={note} autoFocus onChange={setNote} />
      <div className="field-row">
        <SelectField label={text.role} value={role} options={ROLES} help={words.settings.rolesHelp} onChange={setRole} />
        <TextField label={text.expires} type="datetime-local" help={text.expiresHelp} value={expires} onChange={setExpires} />
      </div>
      {create.error && <ProblemNote error={create.error} />}
      <div className="row">
        <Button type="submit" look="primary" busy={create.isPending}>
          {text.create}
        </Button>
        <Button onClick={() => done(null)}>{words.close}</Button>
      </div>
    </form>
  );
}

function NewSecret({ made, done }: { made: Schemas["CreatedKey"]; done: () => void }) {
  const project = useProject();
  return (
    <div className="panel">
      <Note>{text.shownOnce}</Note>
      <div className="field">
        <span className="field-label">{text.secretKey}</span>
        <Copyable text={made.secretKey} label={text.secretKey} />
      </div>
      <div className="field">
        <span className="field-label">{text.publicKey}</span>
        <Copyable text={made.key.publicKey} label={text.publicKey} />
      </div>
      <div className="field">
        <span className="field-label">{text.useIt}</span>
        <Copyable text={text.command(serverUrl, project.id)} />
      </div>
      <div>
        <Button onClick={done}>{text.done}</Button>
      </div>
    </div>
  );
}
