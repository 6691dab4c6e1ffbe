/** The binary as a user runs it: a child process whose lines a test can wait for. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

const binary = fileURLToPath(new URL("../bin/quantlab.js", import.meta.url));

export class QuantlabProcess {
  /** Settles with the exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: { stdout: string[]; stderr: string[] } = { stdout: [], stderr: [] };
  #waiters: (() => void)[] = [];
  #isClosed = false;

  /** Its own standard input is an open pipe until `hangUp`. */
  constructor(argv: readonly string[], cwd?: string, more: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [binary, ...argv], {
      stdio: ["pipe", "pipe", "pipe"],
      cwd,
      env: { ...process.env, ...more },
    });
    this.#child.stdin.on("error", () => {});
    for (const name of ["stdout", "stderr"] as const) {
      createInterface({ input: this.#child[name] }).on("line", (line) => {
        this.#lines[name].push(line);
        this.#wake();
      });
    }
    this.ended = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        this.#isClosed = true;
        this.#wake();
        resolve(code ?? signal ?? "unknown");
      });
    });
  }

  get stdout(): string {
    return this.#lines.stdout.join("\n");
  }

  get stderr(): string {
    return this.#lines.stderr.join("\n");
  }

  /** The match of the first line of one stream, past or to come, that fits. */
  async line(stream: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      for (const text of this.#lines[stream]) {
        const match = pattern.exec(text);
        if (match !== null) return match;
      }
      if (this.#isClosed) {
        throw new Error(`it ended without ${pattern} on ${stream}; stderr:\n${this.stderr}`);
      }
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** To its standard input. */
  write(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Closes its standard input. */
  hangUp(): void {
    this.#child.stdin.end();
  }

  /** For afterEach: gone for sure. */
  async destroy(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

/** A server of `quantlab serve` and the facts that it announced itself with. */
export interface StartedServer {
  readonly process: QuantlabProcess;
  readonly baseUrl: string;
}

/** Serves dummy:tiny on a free port. */
export async function startServer(...flags: string[]): Promise<StartedServer> {
  const argv = ["serve", "--model", "dummy:tiny", "--port", "0", "--threads", "1", ...flags];
  const server = new QuantlabProcess([...argv, "--json"]);
  const [, baseUrl = ""] = await server.line("stdout", /"ready","baseUrl":"([^"]+)"/);
  return { process: server, baseUrl };
}
