import { usePathname, useSearch } from "wouter/use-browser-location";

/**
 * The query of the address, as it is written there.
 *
 * wouter's own `useSearch` decodes it, and whoever reads names and values out of it decodes once more: `%2520` would be
 * a space, and a quote inside of a filter would end its text.
 */
export function useAddressQuery(): string {
  return useSearch().replace(/^\?/, "");
}

/** The path of the address, as it is written there: wouter's own `useLocation` decodes some of it, but not all. */
export function useAddressPath(): string {
  return usePathname();
}

/** The parts of a path as they were named. One that is mistyped, and cannot be decoded, is taken as it stands. */
export function partsOf(path: string): string[] {
  return path.split("/").filter(Boolean).map(decoded);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
