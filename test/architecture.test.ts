/** The import table is enforced: planted violations are reported, each by the rule that forbids it. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const depcruise = join(root, "node_modules", "dependency-cruiser", "bin", "dependency-cruise.mjs");

interface Violation {
  readonly rule: { readonly name: string };
  readonly from: string;
}

/** Violations that dependency-cruiser finds in the `src` folder of `cwd`, with our configuration. */
function violations(cwd: string): { status: number | null; found: Violation[] } {
  const args = [depcruise, "--config", join(root, ".dependency-cruiser.cjs")];
  const listing = spawnSync(process.execPath, [...args, "--output-type", "json", "src"], {
    cwd,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  // The JSON reporter always exits 0; the exit code that CI sees is that of the error reporter.
  const verdict = spawnSync(process.execPath, [...args, "--output-type", "err", "src"], { cwd });
  return { status: verdict.status, found: JSON.parse(listing.stdout).summary.violations };
}

const configSchema = z.object({
  forbidden: z.array(
    z.looseObject({ name: z.string(), to: z.looseObject({ pathNot: z.unknown().optional() }) }),
  ),
});

/** Folder to what it may import beside itself, out of the rules that dependency-cruiser is given. */
function enforcedTable(): Record<string, string[]> {
  const path = join(root, ".dependency-cruiser.cjs");
  const { forbidden } = configSchema.parse(createRequire(import.meta.url)(path));
  return Object.fromEntries(
    forbidden.flatMap(({ name, to }) => {
      const folder = /^imports-of-(.+)$/.exec(name)?.[1];
      const allowed = /\((.*)\)/.exec(String(to.pathNot))?.[1]?.split("|") ?? [];
      return folder === undefined
        ? []
        : [[folder, allowed.filter((other) => other !== folder).sort()]];
    }),
  );
}

/** The same out of the Markdown; a row may stand for several folders. */
function printedTable(): Record<string, string[]> {
  const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
  const table = text.slice(text.indexOf("| folder | may import"));
  const words = (cell: string) => cell.split(",").map((word) => word.trim());
  const rows = [...table.matchAll(/^\| ([a-z][a-z, ]*) \| (.+) \|$/gm)].slice(1);
  return Object.fromEntries(
    rows.flatMap(([, folders = "", may = ""]) =>
      words(folders).map((folder) => [folder, may === "—" ? [] : words(may).sort()]),
    ),
  );
}

describe("the import table", () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "quantlab-architecture-"));
    const plant = (path: string, text: string) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    };
    plant("tsconfig.json", JSON.stringify({ compilerOptions: { module: "nodenext" } }));
    plant("package.json", JSON.stringify({ type: "module" }));
    plant("src/formats/fp8/index.ts", "export const fp8 = 1;\n");
    plant(
      "src/formats/awq/index.ts",
      'import { fp8 } from "../fp8/index.ts";\nexport const a = fp8;\n',
    );
    plant(
      "src/report/page.ts",
      'import { fp8 } from "../formats/fp8/index.ts";\nexport const b = fp8;\n',
    );
    plant("src/base/errors.ts", "export const c = 1;\n");
    plant("src/engine/engine.ts", "export const e = 1;\n");
    plant(
      "src/load/generator.ts",
      'import { e } from "../engine/engine.ts";\nexport const f = e;\n',
    );
    plant(
      "src/metrics/a.ts",
      'import { h } from "./b.ts";\nimport { c } from "../base/errors.ts";\nexport const g = h + c;\n',
    );
    plant("src/metrics/b.ts", 'import { g } from "./a.ts";\nexport const h = g;\n');
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("reports each planted violation and nothing else", () => {
    const { status, found } = violations(folder);
    expect(status).not.toBe(0);
    expect([...new Set(found.map((v) => `${v.rule.name}: ${v.from}`))].sort()).toEqual([
      "formats-do-not-know-each-other: src/formats/awq/index.ts",
      "imports-of-load: src/load/generator.ts",
      "imports-of-report: src/report/page.ts",
      "no-cycles: src/metrics/a.ts",
    ]);
  });

  it("is the table that ARCHITECTURE.md prints", () => {
    const folders = readdirSync(join(root, "src"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
    const printed = printedTable();
    expect(Object.keys(printed).sort()).toEqual(folders);
    expect(Object.keys(enforcedTable()).sort()).toEqual(folders);
    const all = folders.filter((name) => name !== "cli");
    const inFull = Object.entries(printed).map(([folder, may]) => [
      folder,
      may.includes("everything") ? all : may,
    ]);
    expect(Object.fromEntries(inFull)).toEqual(enforcedTable());
  });

  it("finds the product itself clean", () => {
    const { status, found } = violations(root);
    expect(found).toEqual([]);
    expect(status).toBe(0);
  });
});
