export function withPart(
  page: string,
  kind: string,
  name: string,
  body: string,
  place?: "end" | "in place",
): string;
