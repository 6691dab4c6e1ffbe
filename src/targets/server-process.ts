/** One `quantlab serve` child process: its lines, its log's tail, its end, and how it is stopped. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

// Two levels up from src/targets and from dist/targets alike.
const binary = fileURLToPath(new URL("../../bin/quantlab.js", import.meta.url));

const logTailLines = 20;
/** A server that has not gone this long after SIGTERM hangs; its requests are lost anyway. */
const stopLimitMs = 5_000;

/** How a process ended, as a sentence's end: "was killed by SIGKILL", "exited with code 2". */
function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exited with code ${code}` : `was killed by ${signal}`;
}

export class ServerProcess {
  /** Settles when the process is gone, with how it went; never rejects. */
  readonly died: Promise<string>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #tail: string[] = [];
  #isGone = false;

  /**
   * @param argv of `quantlab`, after the script's name
   * @param onOutput called with each line of stdout
   */
  constructor(argv: readonly string[], onOutput: (line: string) => void) {
    // Its own process group: Ctrl-C in the terminal reaches us alone, and we decide what stops.
    this.#child = spawn(process.execPath, [binary, ...argv], {
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    // The pipe's write end is the sign that we live; nothing is ever written to it.
    this.#child.stdin.on("error", () => {});
    this.died = new Promise((resolve) => {
      const gone = (how: string) => {
        this.#isGone = true;
        resolve(how);
      };
      this.#child.once("error", (error) => gone(`could not be started: ${error.message}`));
      this.#child.once("close", (code, signal) => gone(describeEnd(code, signal)));
    });
    createInterface({ input: this.#child.stdout }).on("line", onOutput);
    createInterface({ input: this.#child.stderr }).on("line", (line) => this.#remember(line));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  logTail(): string {
    return this.#tail.join("\n");
  }

  /** SIGTERM, and SIGKILL after a limit; resolves when the process is gone. */
  async stop(): Promise<void> {
    if (this.#isGone) return;
    this.#child.kill("SIGTERM");
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), stopLimitMs);
    await this.died;
    clearTimeout(killer);
  }

  #remember(line: string): void {
    this.#tail.push(line);
    if (this.#tail.length > logTailLines) this.#tail.shift();
  }
}
