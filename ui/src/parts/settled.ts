import { useEffect, useState } from "react";

/** Quiet time after the last change, until what follows from it is asked for. */
const PAUSE = 300;

/** The value once it has stayed the same for a while, so that typing asks nothing for every letter. It is compared as JSON. */
export function useSettled<T>(value: T, millis = PAUSE): T {
  const text = JSON.stringify(value);
  const [settled, settle] = useState({ value, text });
  useEffect(() => {
    if (text === settled.text) return;
    const timer = setTimeout(() => settle({ value, text }), millis);
    return () => clearTimeout(timer);
    // Not by the value: another object that says the same is no change.
  }, [text, settled.text, millis]);
  return settled.value;
}
