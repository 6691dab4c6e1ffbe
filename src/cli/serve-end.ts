/** How a server ends: asked by a signal, with its parent, or with its engine. */
import { systemClock } from "../base/clock.ts";
import { formatBytes } from "../base/units.ts";
import type { EngineHost } from "../engine/host.ts";
import { residentMemory } from "../server/memory.ts";
import type { Progress } from "./progress.ts";

/** Running requests may take this long after the first signal. */
const finishLimitMs = 30_000;

/** The parent's end, as the end of standard input tells it. */
export interface ParentWatch {
  /** Settles when the parent is gone; never rejects. */
  readonly gone: Promise<void>;
  /** From here on the end is ours to handle; before, it ends the process at once. */
  takeOver(): void;
  /** Lets the process end by itself. */
  release(): void;
}

/** Nothing is worth finishing for a parent that is gone: while the model loads, the process just exits. */
export function endsWithParent(): ParentWatch {
  let isTakenOver = false;
  const gone = new Promise<void>((resolve) => {
    const onEnd = () => {
      // Not process.exit: that would tear down the thread that is loading inside a native call.
      if (!isTakenOver) process.kill(process.pid, "SIGKILL");
      resolve();
    };
    process.stdin.once("end", onEnd).once("close", onEnd).once("error", onEnd);
  });
  process.stdin.resume();
  return {
    gone,
    takeOver: () => {
      isTakenOver = true;
    },
    release: () => {
      process.stdin.removeAllListeners();
      process.stdin.destroy();
    },
  };
}

interface Serving {
  readonly host: EngineHost;
  readonly orphaned: ParentWatch | undefined;
  readonly progress: Progress;
}

/**
 * Waits for the end and brings it about.
 * @param shutDown takes no more requests and waits for the running ones until `limit` settles
 * @throws engine-stopped when the engine ended by itself
 */
export async function waitForEnd(
  { host, orphaned, progress }: Serving,
  shutDown: (limit: Promise<void>) => Promise<void>,
): Promise<void> {
  const hurry = new AbortController();
  const signals = listenForSignals(hurry, (signal) => {
    const { active } = host;
    const what = active === 0 ? "" : `, finishing ${active} requests; once more ends it at once`;
    progress.event(`${signal}: stopping${what}`);
  });
  orphaned?.takeOver();
  try {
    const cause = await Promise.race([
      signals.asked,
      host.stopped,
      ...(orphaned === undefined ? [] : [orphaned.gone.then(() => hurry.abort())]),
    ]);
    const deadlineMs = systemClock.nowMs() + finishLimitMs;
    await shutDown(systemClock.sleepUntil(deadlineMs, hurry.signal));
    if (cause instanceof Error) throw cause;
  } finally {
    hurry.abort();
    signals.release();
    const { peakResidentBytes } = residentMemory();
    progress.event(`stopped; ${formatBytes(peakResidentBytes)} resident at its peak`);
  }
}

/** The first signal asks, any further one hurries. */
function listenForSignals(hurry: AbortController, onFirst: (signal: string) => void) {
  let ask: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  let isAsked = false;
  const onSignal = (signal: string) => {
    if (isAsked) hurry.abort();
    else onFirst(signal);
    isAsked = true;
    ask();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  const release = () => {
    process.removeListener("SIGINT", onSignal).removeListener("SIGTERM", onSignal);
  };
  return { asked, release };
}
