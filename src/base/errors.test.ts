/** Codes are stable: a change of the catalogue must be deliberate. */
import { describe, expect, it } from "vitest";
import { bugExitCode, catalogue, describeError, exitCodeOf, QuantlabError } from "./errors.ts";

describe("the catalogue", () => {
  it("uses the documented exit codes only", () => {
    expect(new Set(Object.values(catalogue))).toEqual(new Set([1, 2, 3, 4, 5]));
  });

  it("maps every code to its exit code, and anything else to a bug", () => {
    for (const [code, exit] of Object.entries(catalogue)) {
      expect(exitCodeOf(new QuantlabError(code as keyof typeof catalogue, "x"))).toBe(exit);
    }
    expect(exitCodeOf(new Error("x"))).toBe(bugExitCode);
    expect(exitCodeOf("x")).toBe(bugExitCode);
  });

  it("prints message and hint", () => {
    const error = new QuantlabError("usage", "found 3, expected 4", { hint: "add one" });
    expect(describeError(error)).toBe("found 3, expected 4\n  hint: add one");
  });
});
