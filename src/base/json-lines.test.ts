/** JSONL: what is appended comes back, a cut last line is dropped, damage elsewhere is named. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JsonLinesWriter, readJsonLines } from "./json-lines.ts";

async function readAll(path: string): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of readJsonLines(path)) values.push(value);
  return values;
}

describe("JSONL", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "quantlab-jsonl-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("keeps a value with U+2028 on one line", async () => {
    const path = join(folder, "separators.jsonl");
    const writer = await JsonLinesWriter.open(path, "w");
    const value = { text: "a\u2028b\u2029c", "key\u2028": 1 };
    await writer.append(value);
    await writer.close();
    expect(await readAll(path)).toEqual([value]);
  });

  it("round-trips any JSON values, over several openings", async () => {
    const path = join(folder, "round-trip.jsonl");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue()),
        fc.array(fc.jsonValue()),
        async (first, second) => {
          for (const [flags, values] of [
            ["w", first],
            ["a", second],
          ] as const) {
            const writer = await JsonLinesWriter.open(path, flags);
            for (const value of values) await writer.append(value);
            await writer.close();
          }
          expect(await readAll(path)).toEqual(JSON.parse(JSON.stringify([...first, ...second])));
        },
      ),
      { numRuns: 30 },
    );
  });

  it("drops a last line that a crash cut short", async () => {
    const path = join(folder, "cut.jsonl");
    writeFileSync(path, '{"a":1}\n{"a":2}\n{"a":');
    expect(await readAll(path)).toEqual([{ a: 1 }, { a: 2 }]);
  });

  it("names the line that is damaged in the middle", async () => {
    const path = join(folder, "damaged.jsonl");
    writeFileSync(path, '{"a":1}\n{"a":\n');
    appendFileSync(path, '{"a":3}\n');
    await expect(readAll(path)).rejects.toMatchObject({
      code: "run-invalid",
      message: expect.stringContaining("damaged.jsonl:2"),
    });
  });
});
