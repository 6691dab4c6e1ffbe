/** The system's Chromium for tests of pages: one browser, a fresh page for each look. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, chromium, type Page } from "playwright-core";

const executablePath = "/usr/bin/chromium";

export const isChromiumPresent: boolean = existsSync(executablePath);
/** In the title of tests that cannot run without it. */
export const missingMessage = `skipped: no ${executablePath} here (Debian: apt-get install chromium)`;

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface Look {
  readonly width: number;
  readonly height?: number;
  readonly colorScheme?: "light" | "dark";
  readonly javaScriptEnabled?: boolean;
}

/** A page with everything that it logged or asked the network for. */
export interface OpenPage {
  readonly page: Page;
  readonly complaints: string[];
  readonly requests: string[];
  close(): Promise<void>;
}

export async function openPage(browser: Browser, file: string, look: Look): Promise<OpenPage> {
  const context = await browser.newContext({
    viewport: { width: look.width, height: look.height ?? 900 },
    colorScheme: look.colorScheme ?? "light",
    javaScriptEnabled: look.javaScriptEnabled ?? true,
    // axe is injected by the test; the page's own policy forbids every script.
    bypassCSP: true,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(`file://${file}`);
  return { page, complaints, requests, close: () => context.close() };
}

export interface AxeViolation {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** What axe-core finds wrong, with all its default rules. */
export async function axeViolations(page: Page): Promise<readonly AxeViolation[]> {
  const path = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  await page.addScriptTag({ path });
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: AxeViolation[] }> };
    };
    return (await axe.run()).violations;
  });
}
