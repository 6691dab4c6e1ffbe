/** Values of flags: parsed once, refused with a message that says what was expected. */
import { QuantlabError } from "../base/errors.ts";

/** A finite number above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value > 0) return value;
  throw new QuantlabError("usage", `"${text}" is not a number above 0`);
}

/** A whole number of at least 1. */
export function positiveInteger(text: string): number {
  const value = positiveNumber(text);
  if (Number.isSafeInteger(value)) return value;
  throw new QuantlabError("usage", `"${text}" is not a whole number above 0`);
}

/** A whole number of at least 0. */
export function wholeNumber(text: string): number {
  return text.trim() === "0" ? 0 : positiveInteger(text);
}

/** A number above 0 or "inf". */
export function positiveOrInfinite(text: string): number {
  return text.trim().toLowerCase() === "inf" ? Number.POSITIVE_INFINITY : positiveNumber(text);
}

/** A number of at least 0 and below 1. */
export function share(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value >= 0 && value < 1) return value;
  throw new QuantlabError("usage", `"${text}" is not a number in [0, 1)`);
}

/** A number of milliseconds, 0 included. */
export function milliseconds(text: string): number {
  return positiveOrZero(text);
}

/** A TCP port; 0 leaves the choice to the system. */
export function port(text: string): number {
  const value = wholeNumber(text);
  if (value <= 65535) return value;
  throw new QuantlabError("usage", `"${text}" is not a port: they end at 65535`);
}

/** Whole numbers of at least 1, between commas. */
export function positiveIntegers(text: string): number[] {
  return text.split(",").map(positiveInteger);
}

/** A finite number of at least 0. */
export function positiveOrZero(text: string): number {
  return text.trim() !== "" && Number(text) === 0 ? 0 : positiveNumber(text);
}

/** A number above 0 and at most 1. */
export function probability(text: string): number {
  const value = positiveNumber(text);
  if (value <= 1) return value;
  throw new QuantlabError("usage", `"${text}" is not a number in (0, 1]`);
}
