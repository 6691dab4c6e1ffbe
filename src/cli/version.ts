/** The package's version, as manifests, `--version` and servers give it. */
import { readFileSync } from "node:fs";

/** From package.json. */
export function packageVersion(): string {
  const path = new URL("../../package.json", import.meta.url);
  return String(JSON.parse(readFileSync(path, "utf8")).version);
}
