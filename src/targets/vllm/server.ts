/** One `vllm serve`: its own session, its log on disk, its entry in the ledger, and its end. */
import { type ChildProcess, spawn } from "node:child_process";
import type { ProcessIdentity } from "../../base/process-identity.ts";
import { LogFile } from "../log-file.ts";
import { endProcesses } from "../process-session.ts";
import { ServerEntry } from "../server-ledger.ts";
import type { ProcessEnd } from "./diagnose.ts";

/** vLLM's own tests wait this long for a server to stop by itself. */
const stopGraceMs = 15_000;

export interface ServerStart {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logPath: string;
  readonly ledgerFolder: string;
  /** For the line that tells of a server that was left over. */
  readonly what: string;
}

export class VllmServer {
  readonly log: LogFile;
  /** Settles when the front process is gone; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  end: ProcessEnd | undefined;
  /** How it ended by itself; undefined where we ended it. */
  endedBeforeStop: ProcessEnd | undefined;
  readonly #child: ChildProcess;
  readonly #entry: ServerEntry | undefined;
  #startError: Error | undefined;
  #stopped: Promise<void> | undefined;

  constructor({ command, env, logPath, ledgerFolder, what }: ServerStart) {
    this.log = new LogFile(logPath);
    const [program = "vllm", ...words] = command;
    this.#child = spawn(program, words, {
      // A session of its own: Ctrl-C reaches us alone, and everything it starts can be found.
      detached: true,
      stdio: ["ignore", this.log.descriptor, this.log.descriptor],
      env: { ...env },
    });
    this.log.closeWriter();
    this.ended = new Promise((resolve) => {
      const gone = (end: ProcessEnd) => {
        this.end = end;
        resolve(end);
      };
      this.#child.once("error", (error) => {
        this.#startError = error;
        gone({ code: 127, signal: null });
      });
      this.#child.once("exit", (code, signal) => gone({ code, signal }));
    });
    const { pid } = this.#child;
    this.#entry = pid === undefined ? undefined : new ServerEntry(ledgerFolder, pid, what);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Set when there was no process at all: the program is not there. */
  get startError(): Error | undefined {
    return this.#startError;
  }

  members(): ProcessIdentity[] {
    return this.#entry?.members() ?? [];
  }

  /** To be called while it loads, so that everything it has started is on record. */
  recordMembers(): void {
    this.#entry?.update();
  }

  /** Ends the front process and whatever of its session is left; idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.endedBeforeStop = this.end;
    this.recordMembers();
    // One SIGTERM to the front alone: it ends its engine in order, and a second one is harmful.
    if (this.end === undefined) this.#child.kill("SIGTERM");
    const timer = new AbortController();
    await Promise.race([this.ended, sleep(stopGraceMs, timer.signal)]);
    timer.abort();
    await endProcesses({
      graceMs: this.end === undefined ? 0 : 2_000,
      members: () => this.members(),
    });
    this.#entry?.remove();
  }
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
