import type { Page } from "playwright-core";

import type { Bucket } from "./bucket";

/** Fills in where an integration's files go: a bucket, with all that it needs. */
export async function fillConnection(page: Page, bucket: Bucket): Promise<void> {
  await page.getByLabel("Name", { exact: true }).fill("To the lake");
  await page.getByLabel("Bucket", { exact: true }).fill("exports");
  await page.getByRole("button", { name: "More options" }).click();
  await page.getByLabel("Region", { exact: true }).fill("test");
  await page.getByLabel("Endpoint", { exact: true }).fill(bucket.endpoint);
  await page.getByLabel("Access key ID", { exact: true }).fill("outgest-test");
  await page.getByLabel("Secret access key", { exact: true }).fill("nobodys-secret");
  await page.getByRole("checkbox", { name: "Allow http" }).click();
  await page.getByLabel("Prefix", { exact: true }).fill("lake/");
}
