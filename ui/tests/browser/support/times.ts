import type { Page } from "playwright-core";

const INSTANT = /"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"/g;

/** Moves every instant that the page is told of, so that what happened just now is shown alike on any day. */
export async function moveTimes(page: Page, millis: number): Promise<void> {
  const moved = (time: string) => new Date(Date.parse(time) + millis).toISOString();
  await page.route("**/api/v1/**", async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replace(INSTANT, (_, time: string) => JSON.stringify(moved(time)));
    await route.fulfill({ response, body });
  });
}
