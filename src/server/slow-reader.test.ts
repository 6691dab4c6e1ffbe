/** A client that stops reading in the middle of a long stream is dropped after the limit. */
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { FastifyReply } from "fastify";
import { expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import type { Choice, Piece } from "./generation.ts";
import { streamChoices } from "./stream.ts";

/** Pieces of a kilobyte without an end, until the choice is aborted. */
function endless(): { choice: Choice; aborted: Promise<void>; given: () => number } {
  let isAborted = false;
  let given = 0;
  let onAbort: () => void = () => {};
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve;
  });
  async function* pieces(): AsyncGenerator<Piece> {
    while (!isAborted) {
      given++;
      const about = { tokenId: 1, finishReason: undefined, logprobs: undefined } as const;
      yield {
        ...about,
        text: "x".repeat(1000),
        completionTokens: given,
        promptLogprobs: undefined,
        cachedTokens: 0,
      };
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const abort = () => {
    isAborted = true;
    onAbort();
  };
  const choice = { index: 0, promptTokenIds: [1], promptText: undefined, pieces: pieces(), abort };
  return { choice, aborted, given: () => given };
}

/** A border: of a reply only these are used by streams. */
const replyOf = (raw: ServerResponse) =>
  ({ raw, hijack: () => undefined }) as unknown as FastifyReply;

test("its sequence is freed, and what waits for it in memory is bounded", async () => {
  const clock = new ManualClock();
  const { choice, aborted, given } = endless();
  const wire = { toChunk: ({ text }: Piece) => ({ text }), closing: () => undefined };
  let streaming: Promise<void> | undefined;
  const server = createServer((_, response) => {
    streaming = streamChoices(replyOf(response), [choice], wire, clock);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1").pause();
  socket.on("error", () => {});
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  // The kernel's buffers fill; then the stream waits, and it waits for the clock.
  await expect.poll(() => clock.nextDeadlineMs(), { timeout: 30_000 }).toBeDefined();
  const waiting = given();
  await new Promise((resolve) => setImmediate(resolve));
  expect(given()).toBe(waiting);
  clock.advanceTo(clock.nextDeadlineMs() ?? 0);
  await aborted;
  await streaming;
  socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});
