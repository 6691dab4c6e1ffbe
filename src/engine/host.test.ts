import { describe, expect, test } from "vitest";
import { startFakeEngine } from "../../test/fakes/in-process-engine.ts";
import type { EngineRequest, TokenEvent } from "./events.ts";
import { connectEngine } from "./host.ts";

const request = (id: string, maxTokens = 6): EngineRequest => ({
  id,
  promptTokenIds: [1, 2, 3],
  params: {
    maxTokens,
    minTokens: 0,
    temperature: 0,
    topK: 0,
    topP: 1,
    seed: undefined,
    ignoreEos: true,
    stopTokenIds: [],
  },
});

async function collect(stream: AsyncIterable<TokenEvent>): Promise<TokenEvent[]> {
  const events: TokenEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

describe("EngineHost", () => {
  test("many requests at once each get their own tokens, to the end", async () => {
    const { host } = await startFakeEngine();
    const all = await Promise.all(
      Array.from({ length: 32 }, (_, i) => collect(host.generate(request(`r${i}`, 1 + (i % 7))))),
    );
    expect(all.map((events) => events.length)).toEqual(
      Array.from({ length: 32 }, (_, i) => 1 + (i % 7)),
    );
    await host.idle();
    expect(await host.refreshStats()).toMatchObject({ running: 0, blocksUsed: 0 });
  });

  test("leaving the iterator frees the blocks while others go on", async () => {
    const { host } = await startFakeEngine();
    const other = collect(host.generate(request("other", 20)));
    for await (const event of host.generate(request("left", 400))) if (event.index === 3) break;
    expect(host.active).toBe(1);
    const { running, waiting } = await host.refreshStats();
    expect(running + waiting).toBeLessThanOrEqual(1);
    expect(await other).toHaveLength(20);
    expect(await host.refreshStats()).toMatchObject({ running: 0, blocksUsed: 0 });
  });

  test("refusals are thrown at once", async () => {
    const { host } = await startFakeEngine({ limits: { maxNumSeqs: 1 }, maxQueue: 1 });
    const code = (act: () => unknown) => {
      try {
        act();
        return "none";
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code(() => host.generate(request("long", 4000)))).toBe("request-too-long");
    const running = [host.generate(request("a")), host.generate(request("b"))];
    expect(code(() => host.generate(request("c")))).toBe("server-busy");
    for (const stream of running) await collect(stream);
    expect(code(() => host.generate(request("c")))).toBe("none");
  });

  test("when the engine dies every request ends with engine-stopped, and so do later ones", async () => {
    const { host, crash } = await startFakeEngine();
    const streams = ["a", "b"].map((id) => collect(host.generate(request(id, 400))));
    const outcomes = Promise.allSettled(streams);
    crash("out of cheese");
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "engine-stopped" } });
    }
    expect(await host.stopped).toMatchObject({ message: "the engine stopped: out of cheese" });
    expect(host.alive).toBe(false);
    expect(host.active).toBe(0);
    expect(() => host.generate(request("late"))).toThrow("out of cheese");
    await host.idle();
    await host.refreshStats();
    await host.stop();
  });

  test("an engine that ends before it is ready rejects the start", async () => {
    const start = (say: "failed" | "closed") =>
      connectEngine(
        {
          post: () => undefined,
          terminate: async () => undefined,
          listen: (onMessage, onClosed) => {
            const error = { code: "usage" as const, message: "no such model", hint: "try another" };
            if (say === "failed") onMessage({ kind: "failed", error });
            else onClosed("its thread ended with code 1");
          },
        },
        0,
        () => undefined,
      );
    await expect(start("failed")).rejects.toMatchObject({ code: "usage", hint: "try another" });
    await expect(start("closed")).rejects.toMatchObject({ code: "engine-stopped" });
  });
});
