import { useState } from "react";
import { Link, useLocation } from "wouter";

import { problemOf } from "../api/problem";
import { useBegin } from "../api/session";
import { Button } from "../parts/button";
import { Face, ProblemNote } from "../parts/faces";
import { TextField } from "../parts/fields";
import { words } from "../words";
import { Mark } from "./mark";

/** Makes an account with a link that was printed or sent. Its token follows `#`, so no server log has it. */
export function SetUp() {
  const [token] = useState(() => location.hash.slice(1));
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [, go] = useLocation();
  const begin = useBegin();
  const problem = begin.error ? problemOf(begin.error) : null;
  if (!token) {
    return (
      <main className="center">
        <Face page icon="key" title={words.setUp.missingTitle} actions={<Link href="/">{words.setUp.toSignIn}</Link>}>
          <p>{words.setUp.missing}</p>
        </Face>
      </main>
    );
  }
  return (
    <main className="center">
      <div className="gate">
        <Mark />
        <h1>{words.setUp.title}</h1>
        <p className="muted">{words.setUp.text}</p>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            begin.mutate({ token, email, name, password }, { onSuccess: () => go("/", { replace: true }) });
          }}
        >
          <TextField label={words.setUp.email} type="email" autoComplete="username" autoFocus required value={email} problem={problem?.of("email")} onChange={setEmail} />
          <TextField label={words.setUp.name} autoComplete="name" required value={name} problem={problem?.of("name")} onChange={setName} />
          <TextField
            label={words.setUp.password}
            type="password"
            autoComplete="new-password"
            minLength={10}
            required
            help={words.setUp.passwordHelp}
            value={password}
            problem={problem?.of("password")}
            onChange={setPassword}
          />
          {problem && problem.fields.length === 0 && <ProblemNote error={problem} />}
          <Button type="submit" look="primary" busy={begin.isPending}>
            {words.setUp.submit}
          </Button>
        </form>
      </div>
    </main>
  );
}
