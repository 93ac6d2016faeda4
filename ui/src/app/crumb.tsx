import { createContext, useContext, useEffect } from "react";

/** Tells the frame what the page is about, one step below the page itself. */
export const CrumbContext = createContext<(name: string | null) => void>(() => undefined);

/** Ends the breadcrumb with this name as long as the page is there. */
export function useCrumb(name: string | null): void {
  const tell = useContext(CrumbContext);
  useEffect(() => {
    tell(name);
    return () => tell(null);
  }, [tell, name]);
}
