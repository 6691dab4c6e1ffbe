/** An OpenAI-compatible server whose answers a test decides: not streamed, completions and chats. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";

const requestSchema = z.looseObject({
  prompt: z.string().optional(),
  messages: z.array(z.object({ role: z.string(), content: z.string() })).optional(),
});
export type AnsweredRequest = z.infer<typeof requestSchema>;

/** The text, or a status with an error's message. */
export type Reply = string | null | { readonly status: number; readonly message: string };

export interface AnsweringServer {
  readonly baseUrl: string;
  readonly requests: readonly AnsweredRequest[];
  peakConcurrency(): number;
  close(): Promise<void>;
}

/** @param reply to the last question of the prompt; `index` counts requests from 0 */
export async function startAnsweringServer(
  reply: (question: string, index: number) => Reply | Promise<Reply>,
): Promise<AnsweringServer> {
  const requests: AnsweredRequest[] = [];
  let open = 0;
  let peak = 0;
  const server = createServer(async (request, response) => {
    const send = (status: number, value: unknown) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(value));
    };
    if (request.method === "GET" && request.url !== "/v1/models") {
      send(404, { error: { message: `no route ${request.url}` } });
      return;
    }
    if (request.method === "GET") {
      send(200, { object: "list", data: [{ id: "org/answering", object: "model" }] });
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const body = requestSchema.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
    const index = requests.push(body) - 1;
    open++;
    peak = Math.max(peak, open);
    const text = body.prompt ?? body.messages?.at(-1)?.content ?? "";
    const answer = await reply(text.slice(text.lastIndexOf("Question: ")), index);
    open--;
    if (answer !== null && typeof answer !== "string") {
      send(answer.status, { error: { message: answer.message } });
      return;
    }
    const choice = body.messages ? { message: { content: answer } } : { text: answer };
    send(200, {
      choices: [{ index: 0, ...choice, finish_reason: "stop" }],
      usage: { prompt_tokens: 1, completion_tokens: 2 },
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    requests,
    peakConcurrency: () => peak,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
