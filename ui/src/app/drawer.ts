import { useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";

/** From this width on the rail stands beside the page, and there is no drawer. */
const WIDE = "(min-width: 761px)";

/**
 * The rail where it lies over the page: it has the focus while it is open, the page is out of reach, and whoever closes
 * it goes on where they were. Going to another page closes it, and leads to that page.
 */
export function useDrawer() {
  const [isOpen, setOpen] = useState(false);
  const [path] = useLocation();
  const rail = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const left = useRef<string | null>(null);
  useEffect(() => {
    if (!isOpen) return;
    left.current = path;
    rail.current?.querySelector<HTMLElement>("a, button")?.focus();
    const wide = matchMedia(WIDE);
    const close = () => setOpen(false);
    wide.addEventListener("change", close);
    return () => wide.removeEventListener("change", close);
    // It is opened on a page; what the path becomes is the next effect's.
  }, [isOpen]);
  useEffect(() => setOpen(false), [path]);
  useEffect(() => {
    if (isOpen || left.current === null) return;
    if (left.current === path) opener.current?.focus();
    else document.getElementById("main")?.focus();
    left.current = null;
  }, [isOpen, path]);
  return { isOpen, rail, opener, open: () => setOpen(true), close: () => setOpen(false) };
}
