/** Waits for a server by three things together: its process, its /health, and its log. */
import { QuantlabError } from "../../base/errors.ts";
import { systemClock } from "../../base/clock.ts";
import { listModels } from "../../openai/client.ts";
import { LoadProgress } from "./progress.ts";
import type { VllmServer } from "./server.ts";

const pollMs = 250;
const askTimeoutMs = 2_000;

/**
 * Returns when /health answers and the model list names a model.
 * @throws target-failed when it ends, hangs past the limit, or is aborted
 */
export async function waitUntilServing(
  server: VllmServer,
  baseUrl: string,
  limitMs: number,
  onProgress: (message: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const progress = new LoadProgress();
  const deadlineMs = systemClock.nowMs() + limitMs;
  for (;;) {
    server.recordMembers();
    for (const line of server.log.newLines()) {
      const text = progress.read(line);
      if (text !== undefined) onProgress(text);
    }
    if (server.end !== undefined) throw new QuantlabError("target-failed", "the server ended");
    if (signal.aborted) throw new QuantlabError("interrupted", "interrupted");
    if (await isServing(baseUrl)) return;
    if (systemClock.nowMs() >= deadlineMs) {
      throw new QuantlabError(
        "target-failed",
        `vLLM did not answer within ${Math.round(limitMs / 1e3)} s; last seen: ${progress.stage}`,
      );
    }
    await Promise.race([
      systemClock.sleepUntil(systemClock.nowMs() + pollMs, signal),
      server.ended,
    ]);
  }
}

/** Refused connections mean that it loads, or that it is dead: the process tells which. */
async function isServing(baseUrl: string): Promise<boolean> {
  try {
    const health = await fetch(`${baseUrl}/health`, { signal: AbortSignal.timeout(askTimeoutMs) });
    await health.arrayBuffer();
    if (!health.ok) return false;
    return (await listModels(baseUrl, { timeoutMs: askTimeoutMs })).length > 0;
  } catch {
    return false;
  }
}
