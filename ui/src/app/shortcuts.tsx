import { Dialog } from "radix-ui";

import { Button } from "../parts/button";
import { words } from "../words";

/** What keys do. */
export function Shortcuts({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="veil" />
        <Dialog.Content className="modal" aria-describedby={undefined}>
          <Dialog.Title asChild>
            <h2>{words.shortcuts.title}</h2>
          </Dialog.Title>
          <dl className="facts" style={{ marginTop: 12 }}>
            {words.shortcuts.list.map(([key, what]) => (
              <div key={key} style={{ display: "contents" }}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
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
