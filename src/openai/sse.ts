/** Server-sent events as OpenAI's API writes them: one JSON object an event, then a closing word. */

export const eventStreamHeaders: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  connection: "keep-alive",
  // Tells a reverse proxy (nginx) not to collect events before passing them on.
  "x-accel-buffering": "no",
};

/** One event. JSON has no raw line break, so one data line is enough. */
export function encodeEvent(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** Content of the last event of a stream that ended well. */
export const doneData = "[DONE]";

export const doneEvent = `data: ${doneData}\n\n`;
