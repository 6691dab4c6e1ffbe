/** Whether a hub id can be loaded here: from the cache, from the hub, or not, and what to do then. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { cachedSnapshot } from "./model-files.ts";

export interface HubAccess {
  readonly isUsable: boolean;
  readonly detail: string;
  readonly hint: string | undefined;
}

const timeoutMs = 5_000;

/** HF_TOKEN, or the file that `hf auth login` writes. */
function hubToken(env: NodeJS.ProcessEnv): string | undefined {
  if (env.HF_TOKEN !== undefined && env.HF_TOKEN !== "") return env.HF_TOKEN;
  const home = env.HF_HOME ?? join(homedir(), ".cache", "huggingface");
  const path = env.HF_TOKEN_PATH ?? join(home, "token");
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

const download = (id: string) =>
  `download it where there is a network: \`hf download ${id} --local-dir DIR\`, and give DIR as model`;

export async function hubAccess(
  id: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<HubAccess> {
  if (cachedSnapshot(id, env) !== undefined) {
    return { isUsable: true, detail: `${id} is in the local cache`, hint: undefined };
  }
  if (env.HF_HUB_OFFLINE === "1") {
    const detail = `${id} is not in the local cache, and HF_HUB_OFFLINE is set`;
    return { isUsable: false, detail, hint: download(id) };
  }
  return askHub(id, env);
}

/** config.json stands for the files: a gated model's page answers where its files do not. */
async function askHub(id: string, env: NodeJS.ProcessEnv): Promise<HubAccess> {
  const endpoint = (env.HF_ENDPOINT ?? "https://huggingface.co").replace(/\/+$/, "");
  const token = hubToken(env);
  let status: number;
  try {
    const answer = await fetch(`${endpoint}/${id}/resolve/main/config.json`, {
      method: "HEAD",
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(timeoutMs),
    });
    status = answer.status;
  } catch {
    const detail = `${id} is not in the local cache, and ${endpoint} cannot be reached`;
    return { isUsable: false, detail, hint: download(id) };
  }
  return judge(id, status, token !== undefined);
}

function judge(id: string, status: number, hasToken: boolean): HubAccess {
  if (status < 400) {
    return {
      isUsable: true,
      detail: `${id} will be downloaded at the first start`,
      hint: undefined,
    };
  }
  if (status === 401 && !hasToken) {
    return {
      isUsable: false,
      detail: `${id} is gated or private, or does not exist, and no token was given`,
      hint: `accept the licence at https://huggingface.co/${id}, then \`hf auth login\``,
    };
  }
  if (status === 401 || status === 403) {
    return {
      isUsable: false,
      detail: `${id} is gated, and the token's account has no permission`,
      hint: `ask for access at https://huggingface.co/${id} with the account of the token`,
    };
  }
  if (status === 404) {
    return {
      isUsable: false,
      detail: `there is no model ${id} on the hub`,
      hint: "check the spelling: ORGANISATION/NAME as on the model's page",
    };
  }
  return { isUsable: false, detail: `the hub answered ${status} for ${id}`, hint: download(id) };
}
