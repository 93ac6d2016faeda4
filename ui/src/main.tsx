import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/parts.css";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Tooltip } from "radix-ui";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { askAhead } from "./api/catalog";
import { whenSessionEnds, whenSessionIsRenewed } from "./api/client";
import { problemOf } from "./api/problem";
import { endSession, renewSession } from "./api/session";
import { App } from "./app/app";
import { Crash } from "./app/crash";
import { Toasts } from "./parts/toasts";

/** Times a call is repeated by itself: once, where the server was only out of reach or busy. */
const REPEATS = 1;

const cache = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      networkMode: "always",
      retry: (failures, error) => failures < REPEATS && problemOf(error).mayPass,
      retryDelay: 400,
    },
    mutations: { networkMode: "always" },
  },
});

whenSessionEnds(() => endSession(cache));
whenSessionIsRenewed((session) => renewSession(cache, session));

if (location.pathname !== "/invitation") {
  askAhead(cache);
  // The page that is opened most is on its way before it is known to be wanted.
  void import("./explore/page");
}

createRoot(document.getElementById("app")!).render(
  <StrictMode>
    <Crash>
      <QueryClientProvider client={cache}>
        <Tooltip.Provider delayDuration={300} skipDelayDuration={100}>
          <Toasts>
            <App />
          </Toasts>
        </Tooltip.Provider>
      </QueryClientProvider>
    </Crash>
  </StrictMode>,
);
