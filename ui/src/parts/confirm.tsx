import { AlertDialog } from "radix-ui";
import { useState, type ReactNode } from "react";

import { words } from "../words";
import { Button } from "./button";
import { ProblemNote } from "./faces";

interface ConfirmProps {
  /** Names what cannot be undone. */
  title: string;
  text: string;
  /** The verb of the button that does it. */
  verb: string;
  act: () => Promise<unknown>;
  /** Has to be typed first, for what is lost with everything in it. */
  typed?: string;
  children: ReactNode;
}

/** Asks before something that cannot be undone. */
export function Confirm({ title, text, verb, act, typed, children }: ConfirmProps) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [entered, setEntered] = useState("");
  const carryOut = async () => {
    setBusy(true);
    setError(null);
    try {
      await act();
      setOpen(false);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <AlertDialog.Root open={open} onOpenChange={setOpen}>
      <AlertDialog.Trigger asChild>{children}</AlertDialog.Trigger>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className="veil" />
        <AlertDialog.Content className="modal">
          <AlertDialog.Title asChild>
            <h2>{title}</h2>
          </AlertDialog.Title>
          <AlertDialog.Description className="muted">{text}</AlertDialog.Description>
          {typed && (
            <div className="field" style={{ marginTop: 12 }}>
              <label className="field-label" htmlFor="confirm-typed">
                {words.confirm.type(typed)}
              </label>
              <input id="confirm-typed" className="input mono" value={entered} onChange={(event) => setEntered(event.target.value)} />
            </div>
          )}
          {error !== null && <ProblemNote error={error} />}
          <div className="modal-actions">
            <AlertDialog.Cancel asChild>
              <Button>{words.confirm.keep}</Button>
            </AlertDialog.Cancel>
            <Button look="danger" busy={busy} disabled={typed !== undefined && entered !== typed} onClick={() => void carryOut()}>
              {verb}
            </Button>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
