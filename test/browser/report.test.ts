/** The report as a reader meets it: in Chromium, wide and narrow, light and dark, without scripts, printed. */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { writeReport } from "../../src/report/write.ts";
import { referenceRuns } from "../../src/results/reference.ts";
import type { Run } from "../../src/results/run.ts";
import { loadRun } from "../../src/results/store.ts";
import { syntheticRows, syntheticRun, writeRun } from "../synthetic-run.ts";
import {
  axeViolations,
  isChromiumPresent,
  launchChromium,
  type Look,
  missingMessage,
  openPage,
} from "./chromium.ts";

const hostile = `<script>alert("x")</script><img src=http://evil.test/a onerror=alert(1)>'"&`;

/** Hostile words wherever a run holds text that somebody else chose. */
function hostileRun(): Run {
  const rows = syntheticRows.map((row, i) => (i === 0 ? row : { ...row, label: `${hostile}${i}` }));
  const run = syntheticRun({ rows, config: { model: hostile, note: hostile } });
  const results = run.results.map((result, i) =>
    i % 5 === 1
      ? {
          quantlab: {
            ...result.quantlab,
            status: "failed" as const,
            reason: hostile,
            figures: {},
          },
        }
      : result,
  );
  const machine = { ...run.manifest.machine, cpuModel: hostile };
  return { ...run, results, manifest: { ...run.manifest, machine } };
}

async function hrefsOf(page: Page, selector: string): Promise<string[]> {
  return page
    .locator(selector)
    .evaluateAll((links) => links.map((link) => String(link.getAttribute("href"))));
}

/**
 * Words with a number that is no link, from the verdict to the validity. Titles name settings, and what
 * a level of confidence or a width in bits is does not come from a record.
 */
async function looseNumbers(page: Page): Promise<string[]> {
  const texts: unknown = await page.evaluate(`(() => {
    const skipped = "a, h1, h2, h3, th, caption, summary, svg, pre, code, dl, .cells, .quiet";
    return [...document.querySelectorAll("main > section")].flatMap((section) => {
      const walker = document.createTreeWalker(section, NodeFilter.SHOW_TEXT);
      const found = [];
      for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
        if (node.parentElement.tagName === "H2" && node.textContent === "Method") break;
        if (node.parentElement.closest(skipped) === null) found.push(node.textContent);
      }
      return found;
    });
  })()`);
  return z
    .array(z.string())
    .parse(texts)
    .filter((text) => /(?<![\w.-])\d/.test(text.replace(notMeasured, "")));
}

/** Levels of confidence, widths of formats, and the name of a setting that stands alone. */
const notMeasured = /\d+ % (interval|power)|\d+th|\d+-bit|\d+ bits|^\d+ req\/s$/g;

let folder = "";
let browser: Browser;
const pages: Record<string, string> = {};

describe.skipIf(!isChromiumPresent)(
  `the report in a browser${isChromiumPresent ? "" : ` (${missingMessage})`}`,
  () => {
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "quantlab-report-"));
      const noise = (repeat: number) => 1 + 0.01 * Math.sin(17 * repeat + 1);
      await writeRun(syntheticRun({ repeats: 3, noise }), join(folder, "run"));
      const run = await loadRun(join(folder, "run"));
      pages.run = await writeReport([run], join(folder, "run", "report.html"));
      pages.reference = await writeReport(referenceRuns, join(folder, "reference.html"));
      pages.hostile = await writeReport([hostileRun()], join(folder, "hostile.html"));
      browser = await launchChromium();
    }, 60_000);

    afterAll(async () => {
      await browser?.close();
      await rm(folder, { recursive: true, force: true });
    });

    const open = (name: string, look: Look) => openPage(browser, pages[name] ?? "", look);

    it.each([
      ["run", { width: 1100 }],
      ["run", { width: 375, colorScheme: "dark" }],
      ["reference", { width: 375 }],
      ["hostile", { width: 1100 }],
    ] as const)(
      "%s at %o: no complaint, no request, nothing that axe finds",
      async (name, look) => {
        const { page, complaints, requests, close } = await open(name, look);
        const violations = await axeViolations(page);
        expect(
          violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`),
        ).toEqual([]);
        expect(complaints).toEqual([]);
        expect(requests.filter((url) => !url.startsWith("file://"))).toEqual([]);
        await close();
      },
      60_000,
    );

    it("does not scroll sideways on a phone, and its numbers can be seen there", async () => {
      for (const name of Object.keys(pages)) {
        const { page, close } = await open(name, { width: 375 });
        const width = await page.evaluate("document.documentElement.scrollWidth");
        expect(width, name).toBeLessThanOrEqual(375);
        await close();
      }
      const { page, close } = await open("run", { width: 375 });
      const last = page.locator("table").first().locator("tbody tr").first().locator("td").last();
      const box = await last.boundingBox();
      expect((box?.x ?? 999) + (box?.width ?? 0)).toBeLessThanOrEqual(375);
      await close();
    }, 60_000);

    it("reads the same without scripts, and each figure has its text and its numbers", async () => {
      const { page, close } = await open("run", { width: 1100, javaScriptEnabled: false });
      const figures = page.locator("figure");
      expect(await figures.count()).toBeGreaterThanOrEqual(7);
      for (const figure of await figures.all()) {
        const label = await figure.locator("svg[role=img]").first().getAttribute("aria-label");
        expect(label?.length ?? 0).toBeGreaterThan(40);
        expect(await figure.locator("figcaption").innerText()).not.toBe("");
        expect(await figure.locator("details table").count()).toBe(1);
      }
      expect(await page.locator("main h1").innerText()).toContain("Synthetic CPU");
      await close();
    }, 60_000);

    it("leads from every number of the result to the records of its cell", async () => {
      const { page, close } = await open("run", { width: 1100 });
      const hrefs = await hrefsOf(page, "a.number-link");
      expect(hrefs.length).toBeGreaterThan(60);
      for (const href of new Set(hrefs)) {
        const isCell = !href.endsWith("-machine");
        const target = page.locator(`[id="${href.slice(1)}"]`);
        expect(await target.count(), href).toBe(1);
        const results = target.locator(`a[href$="result.json"]`);
        expect((await results.count()) > 0, href).toBe(isCell);
      }
      const files = await hrefsOf(page, "ul.cells a[href$='result.json']");
      for (const file of files.slice(0, 20)) {
        expect((await stat(join(folder, "run", decodeURI(file)))).isFile()).toBe(true);
      }
      await close();
    }, 60_000);

    it("leaves no number in its sentences and tables without a link", async () => {
      for (const name of ["run", "reference"]) {
        const { page, close } = await open(name, { width: 1100 });
        expect(await looseNumbers(page), name).toEqual([]);
        await close();
      }
    }, 60_000);

    it("can be used from the keyboard", async () => {
      const { page, close } = await open("run", { width: 1100 });
      await page.keyboard.press("Tab");
      const focused = await page.evaluate("document.activeElement.tagName");
      expect(focused).not.toBe("BODY");
      await page.locator("summary").first().focus();
      await page.keyboard.press("Enter");
      expect(await page.locator("details").first().getAttribute("open")).not.toBeNull();
      await close();
    }, 60_000);

    it("prints its figures and fits in 2 MB", async () => {
      for (const name of Object.keys(pages)) {
        expect((await stat(pages[name] ?? "")).size).toBeLessThan(2_000_000);
      }
      const { page, close } = await open("run", { width: 1100 });
      await page.emulateMedia({ media: "print" });
      expect(await page.locator("figure svg").first().isVisible()).toBe(true);
      expect((await page.pdf()).length).toBeGreaterThan(10_000);
      await close();
    }, 60_000);

    it("shows hostile names as text", async () => {
      const { page, close } = await open("hostile", { width: 1100 });
      expect(await page.locator("img, script").count()).toBe(0);
      expect(await page.locator("h1").innerText()).toContain("<script>alert");
      await close();
    }, 60_000);
  },
);
