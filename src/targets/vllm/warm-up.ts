/** The first requests of a server compile kernels: a few are sent and thrown away. */
import { systemClock } from "../../base/clock.ts";
import { QuantlabError } from "../../base/errors.ts";
import { encodeCompletionRequest, OpenAiClient } from "../../openai/client.ts";

const warmUpRequests = 2;
const promptTokens = 8;
const answerTokens = 4;

/** @throws target-failed when the server that called itself ready does not complete a prompt */
export async function warmUp(baseUrl: string, model: string): Promise<void> {
  const client = new OpenAiClient({ baseUrl, clock: systemClock });
  try {
    for (let index = 0; index < warmUpRequests; index++) {
      const body = encodeCompletionRequest({
        model,
        // Ids that every vocabulary has.
        prompt: Array.from({ length: promptTokens }, (_, position) => 3 + index + position),
        maxTokens: answerTokens,
        ignoreEos: true,
      });
      const { error } = await client.streamCompletion(client.prepare(body));
      if (error !== undefined) {
        throw new QuantlabError("target-failed", `the first request failed: ${error.message}`);
      }
    }
  } finally {
    client.close();
  }
}
