/** Whole files, written so that a reader or a crash sees the old text or the new one, never a part. */
import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";

/** Writes beside the target, flushes, and renames over it. */
export async function writeFileAtomic(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
