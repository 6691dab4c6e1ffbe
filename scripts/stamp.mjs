// Fingerprints of source trees, so that nothing is built twice and nothing stale is run.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** SHA-256 over the names and contents of the matching files, plus `extra`. */
export function fingerprint(root, { folders, files = [], pattern, extra = "" }) {
  const hash = createHash("sha256").update(extra);
  const names = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .map((name) => join(folder, name))
      .filter((name) => pattern.test(name)),
  );
  for (const name of [...names, ...files].sort()) {
    hash.update(`\0${name}\0`).update(readFileSync(join(root, name)));
  }
  return hash.digest("hex");
}

/** The stored fingerprint, or undefined. */
export function readStamp(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).fingerprint : undefined;
}

export function writeStamp(path, value) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify({ fingerprint: value }));
}
