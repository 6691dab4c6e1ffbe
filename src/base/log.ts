/** The one pino instance: JSON lines on stderr, level from QUANTLAB_LOG (default "warn"). */
import { destination, type Logger, pino } from "pino";

/** Structured log on stderr; stdout is kept for results. Never called once per token. */
export const log: Logger = pino(
  { name: "quantlab", level: process.env.QUANTLAB_LOG ?? "warn" },
  destination({ fd: 2, sync: true }),
);
