import { useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";

import { useBegin } from "../api/session";
import { Button } from "../parts/button";
import { Note, ProblemNote } from "../parts/faces";
import { TextField } from "../parts/fields";
import { words } from "../words";
import { Mark } from "./mark";

const ENDED = "outgest.ended";

/** Asks who is there. The address of the page stays, so signing in leads back to it. */
export function SignIn() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [ended] = useState(() => sessionStorage.getItem(ENDED) !== null);
  const begin = useBegin();
  useEffect(() => {
    const before = document.title;
    document.title = `${words.signIn.submit} · ${words.product}`;
    return () => {
      document.title = before;
      sessionStorage.removeItem(ENDED);
    };
  }, []);
  return (
    <main className="center">
      <div className="gate">
        <Mark />
        <h1>{words.signIn.title}</h1>
        {ended && <Note tone="idle">{words.signIn.ended}</Note>}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            begin.mutate({ email, password });
          }}
        >
          <TextField label={words.signIn.email} type="email" autoComplete="username" autoFocus required value={email} onChange={setEmail} />
          <TextField
            label={words.signIn.password}
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={setPassword}
          />
          {begin.error && <ProblemNote error={begin.error} />}
          <Button type="submit" look="primary" busy={begin.isPending}>
            {words.signIn.submit}
          </Button>
        </form>
        <p className="field-help" style={{ marginTop: 16 }}>
          {words.signIn.help}
        </p>
      </div>
    </main>
  );
}

/**
 * Asks once more, above pages that stay as they were left. It is a modal of the browser's own: nothing below is in reach,
 * not even what floats above the page.
 */
export function SignInAgain() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [before] = useState(() => document.activeElement);
  useEffect(() => {
    dialog.current?.showModal();
    // Whoever comes back goes on where they were.
    return () => {
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, [before]);
  return createPortal(
    <dialog
      ref={dialog}
      className="sign-in-again"
      aria-label={words.signIn.title}
      onCancel={(event) => event.preventDefault()}
      // Esc once more closes it all the same.
      onClose={() => dialog.current?.showModal()}
    >
      <SignIn />
    </dialog>,
    document.body,
  );
}
