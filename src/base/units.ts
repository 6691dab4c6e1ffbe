/** Bytes, durations and rates: parsed from flags and printed for people, always with their unit. */
import { QuantlabError } from "./errors.ts";

/** 1 GB here is 10^9 bytes and 1 GiB is 2^30, as on data sheets. */
const byteUnits: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

const durationUnits: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, min: 6e4, h: 3.6e6 };

function parseWithUnit(text: string, units: Record<string, number>, what: string): number {
  const match = /^\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*$/i.exec(text);
  const unit = match?.[2]?.toLowerCase() || Object.keys(units)[0];
  const factor = unit === undefined ? undefined : units[unit];
  if (match?.[1] === undefined || factor === undefined) {
    throw new QuantlabError("usage", `"${text}" is not a ${what}`, {
      hint: `write a number and one of ${Object.keys(units).join(", ")}`,
    });
  }
  return Number(match[1]) * factor;
}

/** "1.5GB" to bytes; a bare number is bytes. */
export function parseBytes(text: string): number {
  return Math.round(parseWithUnit(text, byteUnits, "size"));
}

/** "250ms", "4m" to milliseconds; a bare number is milliseconds. */
export function parseDurationMs(text: string): number {
  return parseWithUnit(text, durationUnits, "duration");
}

/** Bytes as decimal "1.031 GB". */
export function formatBytes(bytes: number): string {
  const scale = [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ] as const;
  for (const [factor, unit] of scale) {
    if (Math.abs(bytes) >= factor) return `${significant(bytes / factor, 4)} ${unit}`;
  }
  return `${bytes} B`;
}

/** Milliseconds as "830 µs", "12.3 ms", "4.21 s", "3m 05s". */
export function formatDuration(ms: number): string {
  if (ms < 1) return `${significant(ms * 1e3, 3)} µs`;
  if (ms < 1000) return `${significant(ms, 3)} ms`;
  if (ms < 60_000) return `${significant(ms / 1e3, 3)} s`;
  const totalSeconds = Math.round(ms / 1e3);
  const hours = Math.floor(totalSeconds / 3600);
  const minutes = Math.floor((totalSeconds % 3600) / 60);
  const seconds = String(totalSeconds % 60).padStart(2, "0");
  return hours > 0 ? `${hours}h ${String(minutes).padStart(2, "0")}m` : `${minutes}m ${seconds}s`;
}

/** Plain decimal with `digits` significant digits, never an exponent below 1e15. */
export function significant(value: number, digits: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  // toFixed knows no more than 100 digits.
  return value.toFixed(Math.min(100, Math.max(0, digits - 1 - magnitude)));
}
