/** `quantlab mock-server` as a child process: its work must not share the client's thread. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { QuantlabError } from "../base/errors.ts";

// Two levels up from src/cli and from dist/cli alike.
const binary = fileURLToPath(new URL("../../bin/quantlab.js", import.meta.url));

const readySchema = z.object({ event: z.literal("ready"), baseUrl: z.string() });

export interface MockProcess {
  readonly baseUrl: string;
  stop(): void;
}

/** @param flags of `quantlab mock-server`. @throws target-failed when it does not start */
export async function startMockProcess(flags: readonly string[]): Promise<MockProcess> {
  const child = spawn(process.execPath, [binary, "mock-server", "--json", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("error", () => resolve(""));
    child.once("exit", () => resolve(""));
  });
  const stop = () => void child.kill("SIGTERM");
  try {
    return { baseUrl: readySchema.parse(JSON.parse(line)).baseUrl, stop };
  } catch (cause) {
    stop();
    throw new QuantlabError("target-failed", "the mock server did not start", { cause });
  }
}
