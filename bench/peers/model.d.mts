import type { Bits, Parameters } from "./cells.mjs";

export function modelOf(spec: string): Parameters;
export function bitsOf(model: Parameters, format: string, head?: string): Bits;
