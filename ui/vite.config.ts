import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const DIST = fileURLToPath(new URL("dist", import.meta.url));

/** Removes the last build, but not the `.gitignore` that keeps the folder in the repository. */
function emptyDist(): Plugin {
  return {
    name: "empty-dist",
    apply: "build",
    buildStart() {
      for (const name of readdirSync(DIST)) {
        if (name !== ".gitignore") rmSync(`${DIST}/${name}`, { recursive: true });
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), emptyDist()],
  build: {
    outDir: DIST,
    emptyOutDir: false,
    target: "es2022",
    // Everything is a file of its own: the content security policy allows no inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": process.env["OUTGEST_SERVER"] ?? "http://127.0.0.1:8080" } },
});
