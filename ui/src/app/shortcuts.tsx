import { Dialog } from "radix-ui";

import { Button } from "../parts/button";
import { Check } from "../parts/fields";
import { words } from "../words";
import { doesSomething, useSingleKeys } from "./keys";

/** What keys do on this page, and whether letters and signs do anything. */
export function Shortcuts({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const [on, setOn] = useSingleKeys();
  const text = words.shortcuts;
  // Esc closes menus and dialogs everywhere.
  const listed = text.list.filter(([key]) => key === "Esc" || doesSomething(key));
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="veil" />
        <Dialog.Content className="modal" aria-describedby={undefined}>
          <Dialog.Title asChild>
            <h2>{text.title}</h2>
          </Dialog.Title>
          <dl className="facts" style={{ marginTop: 12 }}>
            {listed.map(([key, what]) => (
              <div key={key} style={{ display: "contents" }}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
          <div style={{ marginTop: 16 }}>
            <Check checked={on} label={text.single} help={text.singleHelp} onChange={setOn} />
          </div>
          <div className="modal-actions">
            <Dialog.Close asChild>
              <Button>{words.close}</Button>
            </Dialog.Close>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
