/** Keeps what floats open while somebody signs in again above it. */
function stay(event: Event): void {
  if (document.querySelector("dialog:modal")) event.preventDefault();
}

/** For popovers that people type into: neither the focus that moves to the sign-in nor Esc there closes them. */
export const STAYS = { onInteractOutside: stay, onEscapeKeyDown: stay };
