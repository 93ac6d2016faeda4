import { useEffect, type RefObject } from "react";
import { useLocation } from "wouter";

import { partsOf, useAddressPath } from "./address";
import { pathOf } from "./project";

/** The field that the page is searched with, where it has one. */
let field: HTMLInputElement | null = null;

/** Whether somebody is on the way to a field that is not there yet. */
let isAwaited = false;

/** Makes it the field that `/` leads to, as long as it is there. */
export function useSearchField(ref: RefObject<HTMLInputElement | null>): void {
  useEffect(() => {
    const own = ref.current;
    field = own;
    if (isAwaited && own) enter(own);
    isAwaited = false;
    return () => {
      if (field === own) field = null;
    };
  }, [ref]);
}

function enter(search: HTMLInputElement): void {
  search.focus();
  search.select();
}

/** Leads to the search of the page; from pages without one to that of the events. */
export function useGoToSearch(project: string | undefined): () => void {
  const [, go] = useLocation();
  const [, ...parts] = partsOf(useAddressPath());
  const isThere = parts.length === 2 && parts[0] === project && parts[1] === "events";
  // Who goes elsewhere meanwhile is not called back.
  useEffect(() => {
    if (!isThere) isAwaited = false;
  }, [isThere]);
  return () => {
    if (field) return enter(field);
    if (project === undefined) return;
    isAwaited = true;
    go(pathOf(project, "events"));
  };
}
