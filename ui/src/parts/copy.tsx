import { useEffect, useState } from "react";

import { words } from "../words";
import { Button, IconButton } from "./button";

/** Puts a text on the clipboard; also where the page is not served over TLS, and browsers offer less. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function useCopied(text: string): { copied: boolean; copy: () => void } {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1_500);
    return () => clearTimeout(timer);
  }, [copied]);
  return { copied, copy: () => void copyText(text).then(() => setCopied(true)) };
}

/** A text in a frame, to be copied. */
export function Copyable({ text, label }: { text: string; label?: string }) {
  const { copied, copy } = useCopied(text);
  return (
    <div className="copyable">
      {/* Long lines scroll, which keyboards must reach too. */}
      <code tabIndex={0} role="group" aria-label={label ?? words.copy.text}>
        {text}
      </code>
      <IconButton name={copied ? words.copy.done : words.copy.verb} icon={copied ? "check" : "copy"} size="small" onClick={copy} />
    </div>
  );
}

/** A button that copies. */
export function CopyButton({ text, children }: { text: string; children: string }) {
  const { copied, copy } = useCopied(text);
  return (
    <Button size="small" icon={copied ? "check" : "copy"} onClick={copy}>
      {copied ? words.copy.done : children}
    </Button>
  );
}
