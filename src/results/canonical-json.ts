/** JSON with sorted keys: the same value gives the same text, and so the same hash, everywhere. */
import { createHash } from "node:crypto";
import { assert } from "../base/errors.ts";

/** Keys sorted by code unit, no white space, undefined members left out; NaN and infinities refused. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value))
    return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  assert(
    value === null || ["string", "boolean", "number"].includes(typeof value),
    `canonical JSON has no ${typeof value}`,
  );
  assert(typeof value !== "number" || Number.isFinite(value), `canonical JSON has no ${value}`);
  return JSON.stringify(value);
}

/** SHA-256 of the canonical JSON, in hexadecimal. */
export function hashOf(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("hex");
}
