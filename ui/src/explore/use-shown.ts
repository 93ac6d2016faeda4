import { useCallback, useMemo } from "react";
import { useLocation } from "wouter";

import { useAddressPath, useAddressQuery } from "../app/address";
import { read, write, type Shown } from "./state";

/** What the page shows, from the address, and the way to change it. */
export function useShown(): [Shown, (change: Partial<Shown>, how?: "replace") => void] {
  const query = useAddressQuery();
  const path = useAddressPath();
  const [, go] = useLocation();
  const shown = useMemo(() => read(query), [query]);
  const change = useCallback(
    (change: Partial<Shown>, how?: "replace") => {
      // From the address as it is now: several changes may come before the page is drawn again.
      const next = write({ ...read(location.search), ...change });
      go(next ? `${path}?${next}` : path, { replace: how === "replace" });
    },
    [go, path],
  );
  return [shown, change];
}
