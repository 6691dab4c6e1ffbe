/** JSON as Python's `json.dumps` writes it by default, for texts that are hashed or compared byte by byte. */

/**
 * With ", " and ": " between parts.
 * @param ascii whether other characters become \u escapes (Python's default; off where the harness turns it off)
 */
export function pythonJson(value: unknown, ascii = false): string {
  if (Array.isArray(value)) return `[${value.map((item) => pythonJson(item, ascii)).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value).map(
      ([key, member]) => `${pythonJson(key, ascii)}: ${pythonJson(member, ascii)}`,
    );
    return `{${members.join(", ")}}`;
  }
  const text = JSON.stringify(value);
  return ascii ? text.replace(/[\u007f-\uffff]/g, escaped) : text;
}

function escaped(character: string): string {
  // Python leaves DEL as it is.
  if (character === "\u007f") return character;
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
