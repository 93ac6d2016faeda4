import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { answered, api, type Schemas } from "../api/client";
import { problemOf } from "../api/problem";
import { useSession } from "../api/session";
import { useMay, useProject } from "../app/project";
import { Button, IconButton } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Copyable } from "../parts/copy";
import { Failed, Note, ProblemNote, SkeletonLines, Stale } from "../parts/faces";
import { Select, SelectField, TextField } from "../parts/fields";
import { Time } from "../parts/time";
import { words } from "../words";
import { ROLES } from "./roles";

const text = words.settings.members;

/** Who may see the project, and as what. */
export function MembersSection() {
  const project = useProject();
  const owner = useMay("owner");
  const me = useSession().data?.user;
  const cache = useQueryClient();
  const queryKey = ["members", project.id];
  const members = useQuery({
    queryKey,
    queryFn: () => answered(api.GET("/api/v1/projects/{project}/members", { params: { path: { project: project.id } } })),
  });
  // One's own role is told with the project.
  const refresh = () => Promise.all([queryKey, ["projects"]].map((queryKey) => cache.invalidateQueries({ queryKey })));
  const set = (body: Schemas["NewMember"]) =>
    answered(api.PUT("/api/v1/projects/{project}/members", { params: { path: { project: project.id } }, body })).then(refresh);
  const change = useMutation({ mutationFn: set });
  const remove = (user: string) =>
    answered(api.DELETE("/api/v1/projects/{project}/members/{user}", { params: { path: { project: project.id, user } } })).then(refresh);
  if (members.isPending) return <SkeletonLines lines={4} height={28} />;
  if (members.isLoadingError) return <Failed error={members.error} retry={() => void members.refetch()} />;
  return (
    <>
      <div className="settings-head">
        <h2>{text.title}</h2>
        <span className="muted">{text.administrators}</span>
      </div>
      <Stale query={members} />
      {change.error && <ProblemNote error={change.error} />}
      <div className="list-frame" style={{ maxWidth: 720, marginBottom: 24 }} tabIndex={0} role="region" aria-label={text.title}>
        <table className="list">
          <thead>
            <tr>
              <th>{text.person}</th>
              <th>{text.role}</th>
              <th>
                <span className="hidden">{text.remove}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {members.data.map(({ user, role }) => (
              <tr key={user.id}>
                <td>
                  {user.name || user.email}
                  {user.admin && <span className="tag" style={{ marginLeft: 8 }}>{text.admin}</span>}
                  {user.name && <div className="muted">{user.email}</div>}
                </td>
                <td style={{ width: 140 }}>
                  {owner ? (
                    <RoleOf
                      email={user.email}
                      role={role}
                      busy={change.isPending && change.variables.email === user.email}
                      change={(next) => change.mutate({ email: user.email, role: next })}
                      {...(user.id === me?.id && !me.admin && role === "owner" && { giveUp: (next) => set({ email: user.email, role: next }) })}
                    />
                  ) : (
                    words.settings.roles[role]
                  )}
                </td>
                <td className="end" style={{ width: 40 }}>
                  {owner && (
                    <Confirm title={text.removeTitle} text={text.removeText(user.name || user.email)} verb={text.removeVerb} act={() => remove(user.id)}>
                      <RemoveButton name={user.email} />
                    </Confirm>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {owner && (
        <>
          <Invite />
          <AddMember refresh={refresh} />
        </>
      )}
    </>
  );
}

interface RoleOfProps {
  email: string;
  role: Schemas["Role"];
  busy: boolean;
  change: (role: Schemas["Role"]) => void;
  /** Changes the caller's own role, who cannot change it back then: administrators can. */
  giveUp?: (role: Schemas["Role"]) => Promise<unknown>;
}

/** What somebody is in the project. A button changes it: arrow keys pass other roles on their way to the one that is meant. */
function RoleOf({ email, role, busy, change, giveUp }: RoleOfProps) {
  const [chosen, setChosen] = useState(role);
  useEffect(() => setChosen(role), [role]);
  const place = useRef<HTMLDivElement>(null);
  // The button goes when the role has changed: the focus stays where it can.
  const applied = () => {
    place.current?.querySelector("select")?.focus();
    change(chosen);
  };
  const apply = { size: "small", "aria-label": text.applyTo(email), children: text.apply } as const;
  return (
    <div ref={place} className="row" style={{ flexWrap: "nowrap" }}>
      <Select aria-label={text.roleOf(email)} value={chosen} options={ROLES} onChange={setChosen} />
      {chosen !== role && !giveUp && <Button {...apply} busy={busy} onClick={applied} />}
      {chosen !== role && giveUp && (
        <Confirm title={text.giveUpTitle} text={text.giveUpText(words.settings.roles[chosen]!)} verb={text.giveUpVerb} act={() => giveUp(chosen)}>
          <Button {...apply} />
        </Confirm>
      )}
    </div>
  );
}

function RemoveButton({ name, ...rest }: { name: string }) {
  return <IconButton name={text.removeNamed(name)} icon="trash" size="small" {...rest} />;
}

function Invite() {
  const project = useProject();
  const [role, setRole] = useState<Schemas["Role"]>("member");
  const [days, setDays] = useState("7");
  const invite = useMutation({
    mutationFn: () =>
      answered(
        api.POST("/api/v1/projects/{project}/invitations", {
          params: { path: { project: project.id } },
          body: { role, validDays: Number(days) || null },
        }),
      ),
  });
  const problem = invite.error ? problemOf(invite.error) : null;
  return (
    <form
      className="panel"
      onSubmit={(event) => {
        event.preventDefault();
        invite.mutate();
      }}
    >
      <h3>{text.invite}</h3>
      <p className="field-help">{text.inviteText}</p>
      <div className="field-row">
        <SelectField label={text.role} value={role} options={ROLES} help={words.settings.rolesHelp} onChange={setRole} />
        <TextField label={text.days} type="number" min={1} value={days} problem={problem?.of("validDays")} onChange={setDays} />
      </div>
      {problem && <ProblemNote error={problem} />}
      {invite.data && (
        <>
          <Note>
            {text.linkOnce} {words.settings.keys.expires} <Time at={invite.data.expiresAt} always="relative" />.
          </Note>
          <Copyable text={invite.data.url} label={text.invite} />
        </>
      )}
      <div>
        <Button type="submit" busy={invite.isPending}>
          {text.makeLink}
        </Button>
      </div>
    </form>
  );
}

function AddMember({ refresh }: { refresh: () => Promise<unknown> }) {
  const project = useProject();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Schemas["Role"]>("member");
  const add = useMutation({
    mutationFn: () =>
      answered(api.PUT("/api/v1/projects/{project}/members", { params: { path: { project: project.id } }, body: { email, role } })),
    onSuccess: () => {
      setEmail("");
      return refresh();
    },
  });
  return (
    <form
      className="panel"
      onSubmit={(event) => {
        event.preventDefault();
        add.mutate();
      }}
    >
      <h3>{text.add}</h3>
      <div className="field-row">
        <TextField label={text.email} type="email" required value={email} onChange={setEmail} />
        <SelectField label={text.role} value={role} options={ROLES} onChange={setRole} />
      </div>
      {add.error && <ProblemNote error={add.error} />}
      <div>
        <Button type="submit" busy={add.isPending} disabled={email === ""}>
          {text.addVerb}
        </Button>
      </div>
    </form>
  );
}
