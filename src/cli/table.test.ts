import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatValue, renderTable, terminalWidth } from "./table.ts";

describe("renderTable", () => {
  it("wraps headers, aligns numbers right and the first column left", () => {
    const text = renderTable({
      title: "Result",
      header: ["format", "weight bytes", "ms/token"],
      rows: [
        ["bf16", "2.472 GB", "83.1"],
        ["awq", "1.031 GB", "35"],
      ],
    });
    expect(text).toBe(
      [
        "Result",
        "          weight",
        "format     bytes  ms/token",
        "------  --------  --------",
        "bf16    2.472 GB      83.1",
        "awq     1.031 GB        35",
        "",
      ].join("\n"),
    );
  });

  it("fits the terminal whatever the columns, and loses no cell", () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,12}$/);
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 20 }).chain((columns) => {
          const row = fc.array(word, { minLength: columns, maxLength: columns });
          return fc.record({ header: row, rows: fc.array(row, { minLength: 1, maxLength: 4 }) });
        }),
        (table) => {
          const text = renderTable(table);
          for (const line of text.split("\n"))
            expect(line.length).toBeLessThanOrEqual(terminalWidth);
          const words = new Set(text.split(/\s+/));
          for (const cell of [...table.header, ...table.rows.flat()]) expect(words).toContain(cell);
        },
      ),
    );
  });
});

describe("formatValue", () => {
  it("scales bytes, rounds shares, keeps three digits else", () => {
    expect(formatValue(2_471_600_000, "B")).toBe("2.472 GB");
    expect(formatValue(92.6, "%")).toBe("93 %");
    expect(formatValue(4.15625, "")).toBe("4.16");
    expect(formatValue(12345.6, "tok/s")).toBe("12346");
  });
});
