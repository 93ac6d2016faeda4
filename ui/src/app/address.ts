import { useSearch } from "wouter/use-browser-location";

/**
 * The query of the address, as it is written there.
 *
 * wouter's own `useSearch` decodes it, and whoever reads names and values out of it decodes once more: `%2520` would be
 * a space, and a quote inside of a filter would end its text.
 */
export function useAddressQuery(): string {
  return useSearch().replace(/^\?/, "");
}
