/** Another command of ours run to its end in a process of its own: its memory and threads go with it. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { QuantlabError } from "../base/errors.ts";

// Two levels up from src/targets and from dist/targets alike.
const binary = fileURLToPath(new URL("../../bin/quantlab.js", import.meta.url));

const tailCharacters = 2_000;

/**
 * What `quantlab ...argv` wrote to stdout. On abort the process is killed.
 * @throws target-failed with the end of its stderr when it exits with another code than 0
 */
export async function runQuantlab(argv: readonly string[], signal: AbortSignal): Promise<string> {
  const child = spawn(process.execPath, [binary, ...argv], {
    stdio: ["ignore", "pipe", "pipe"],
    // Ctrl-C in the terminal reaches us alone, and we decide what stops.
    detached: true,
  });
  const stop = () => child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  let out = "";
  let tail = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-tailCharacters);
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject).once("close", resolve);
    });
    if (code === 0) return out;
    const command = `quantlab ${argv.slice(0, 2).join(" ")}`;
    throw new QuantlabError("target-failed", `${command} exited with code ${code}`, {
      hint: tail.trim() || "it wrote nothing to stderr",
    });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
