import { afterEach, describe, expect, it, vi } from "vitest";
import { commands } from "./commands.ts";
import { main } from "./main.ts";
import { packageVersion } from "./version.ts";

/** Runs a command line and collects what it prints. */
async function runMain(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += String(text);
    return true;
  });
  const code = await main(argv);
  vi.restoreAllMocks();
  return { code, out, err };
}

afterEach(() => vi.restoreAllMocks());

describe("quantlab", () => {
  it("prints help with every command and the exit codes", async () => {
    const { code, out } = await runMain("--help");
    expect(code).toBe(0);
    for (const entry of commands) expect(out).toContain(entry.name);
    expect(out).toContain("Exit codes: 0 done");
    expect((await runMain()).out).toBe(out);
  });

  it("prints its version", async () => {
    expect(await runMain("--version")).toEqual({ code: 0, out: `${packageVersion()}\n`, err: "" });
  });

  it("teaches at an unknown command", async () => {
    const { code, err } = await runMain("frobnicate");
    expect(code).toBe(2);
    expect(err).toContain('there is no command "frobnicate"');
    expect(err).toContain("hint:");
  });
});
