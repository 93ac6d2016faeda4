import { useEffect, useState } from "react";

import { words } from "../words";
import { Button, IconButton } from "./button";
import type { IconName } from "./icons";

/**
 * Puts a text on the clipboard; also where the page is not served over TLS, and browsers offer less. Fails where the
 * browser does not let it.
 */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  // Beside what has the focus: a popover closes when the focus leaves it.
  const place = focused === document.body ? null : (focused?.closest("[role=dialog]") ?? focused?.parentElement);
  (place ?? document.body).append(area);
  area.focus({ preventScroll: true });
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  if (!isCopied) throw new Error(words.copy.failed);
}

type Outcome = "done" | "failed";

/** How long it is said, in milliseconds: what failed has to be read. */
const SAID: Record<Outcome, number> = { done: 1_500, failed: 5_000 };

const ICONS: Record<Outcome, IconName> = { done: "check", failed: "failed" };

/** Copies a text, and says for a while what came of it. */
export function useCopied(text: string): { outcome: Outcome | null; icon: IconName; copy: () => void } {
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  useEffect(() => {
    if (outcome === null) return;
    const timer = setTimeout(() => setOutcome(null), SAID[outcome]);
    return () => clearTimeout(timer);
  }, [outcome]);
  return {
    outcome,
    icon: outcome ? ICONS[outcome] : "copy",
    copy: () => void copyText(text).then(() => setOutcome("done"), () => setOutcome("failed")),
  };
}

/** A text in a frame, to be copied. */
export function Copyable({ text, label }: { text: string; label?: string }) {
  const { outcome, icon, copy } = useCopied(text);
  return (
    <div className="copyable">
      {/* Long lines scroll, which keyboards must reach too. */}
      <code tabIndex={0} role="group" aria-label={label ?? words.copy.text}>
        {text}
      </code>
      {outcome === "failed" && (
        <span className="field-problem" role="alert">
          {words.copy.failed}
        </span>
      )}
      <IconButton name={outcome === "done" ? words.copy.done : words.copy.verb} icon={icon} size="small" onClick={copy} />
    </div>
  );
}

/** A button that copies. */
export function CopyButton({ text, children }: { text: string; children: string }) {
  const { outcome, icon, copy } = useCopied(text);
  return (
    <Button size="small" icon={icon} onClick={copy}>
      {outcome ? words.copy[outcome] : children}
    </Button>
  );
}
