/** A port of the loopback interface that is free now; somebody else may take it before it is used. */
import { createServer } from "node:net";
import { QuantlabError } from "../base/errors.ts";

/** @throws target-failed when the loopback interface cannot be listened on */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause) =>
      reject(
        new QuantlabError("target-failed", `127.0.0.1 cannot be listened on: ${cause.message}`, {
          hint: "servers are measured over the loopback interface",
          cause,
        }),
      ),
    );
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
