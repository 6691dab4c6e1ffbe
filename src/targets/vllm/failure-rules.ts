/**
 * Known failures of vLLM with what to do about each: data, matched in this order.
 * Wordings are those of the named versions' own messages; each has a sample log in the tests.
 */

/** "automatic" and "once": the target itself tries again; "never": no start of this cell can succeed. */
export type RetryPolicy = "automatic" | "once" | "after-change" | "no" | "never";

export interface FailureRule {
  readonly id: string;
  readonly pattern: RegExp;
  /** Versions whose wording this is, as far as known. */
  readonly seen: string;
  /** What happened, one sentence's worth; $1, $2 are the pattern's groups, {phase} the loading phase. */
  readonly message: string;
  /** What to change. */
  readonly advice: string;
  readonly retry: RetryPolicy;
}

export const failureRules: readonly FailureRule[] = [
  {
    id: "unknown-flag",
    pattern: /unrecognized arguments: (.+)/,
    seen: "all",
    message: "this vLLM does not know the argument $1",
    advice:
      "take it out of vllm.extraArgs or use its name in this version (`vllm serve --help=all`)",
    retry: "after-change",
  },
  {
    id: "bad-flag-value",
    pattern: /vllm serve: error: argument (--?[\w-]+.*)/,
    seen: "all",
    message: "vLLM refuses a flag's value: $1",
    advice: "change the value in lab.yaml",
    retry: "after-change",
  },
  {
    id: "port-in-use",
    pattern: /[Aa]ddress already in use/,
    seen: "all",
    message: "the port was taken by somebody else in the meantime",
    advice: "another free port is tried by itself",
    retry: "automatic",
  },
  {
    id: "gpu-memory-held",
    pattern: /Free memory on device .*\(([\d.]+)\/([\d.]+) GiB\) on startup is less than desired/,
    seen: "0.9 to 0.32",
    message: "another process holds the GPU's memory: $1 of $2 GiB are free",
    advice:
      "see who with `nvidia-smi --query-compute-apps=pid,used_memory --format=csv`; ask Slurm for the whole GPU, or lower vllm.gpuMemoryUtilization",
    retry: "once",
  },
  {
    id: "cpu-memory-held",
    pattern:
      /Available memory on node \d+ \(([\d.]+)\/([\d.]+) GiB\) on startup is less than desired CPU memory/,
    seen: "0.32 CPU build",
    message: "$1 of $2 GiB of host memory are free, less than vLLM wants to reserve",
    advice: "free memory, or set vllm.env.VLLM_CPU_KVCACHE_SPACE to fewer GiB",
    retry: "once",
  },
  {
    id: "no-cache-room",
    pattern: /No available memory for the cache blocks/,
    seen: "0.4 to 0.32",
    message:
      "weights and activations fill vLLM's share of the GPU, and nothing is left for the KV cache",
    advice:
      "raise vllm.gpuMemoryUtilization, lower maxNumSeqs, take a smaller format, or set vllm.tensorParallelSize",
    retry: "after-change",
  },
  {
    id: "context-too-long",
    pattern:
      /To serve at least one request with the model.{0,3} max seq len \((\d+)\)[\s\S]*?estimated maximum model length is (\d+)/,
    seen: "0.8 to 0.32",
    message: "the KV cache has room for $2 tokens, a sequence may be $1 long",
    advice: "set maxModelLen: $2 in lab.yaml, or kvCacheDtype: fp8",
    retry: "after-change",
  },
  {
    id: "context-too-long-v0",
    pattern:
      /max seq len \((\d+)\) is larger than the maximum number of tokens that can be stored in KV cache \((\d+)\)/,
    seen: "to 0.7 (V0 engine)",
    message: "the KV cache has room for $2 tokens, a sequence may be $1 long",
    advice: "set maxModelLen: $2 in lab.yaml, or raise vllm.gpuMemoryUtilization",
    retry: "after-change",
  },
  {
    id: "context-beyond-model",
    pattern:
      /User-specified max_model_len \((\d+)\) is greater than the derived max_model_len[^0-9]*(\d+)?/,
    seen: "0.4 to 0.32",
    message: "maxModelLen is $1, more positions than the model has",
    advice: "set maxModelLen to what the model's config.json allows ($2), and shorten the lengths",
    retry: "after-change",
  },
  {
    id: "gpu-out-of-memory",
    pattern: /(?:torch\.(?:cuda\.)?OutOfMemoryError|CUDA out of memory)/,
    seen: "all",
    message: "the GPU ran out of memory while {phase}",
    advice:
      "before the weights are loaded: a smaller format or vllm.tensorParallelSize; after it: lower vllm.gpuMemoryUtilization a little, and maxNumSeqs",
    retry: "after-change",
  },
  {
    id: "capability-too-low",
    pattern:
      /quantization method (\S+) is not supported for the current GPU\. Minimum\s+capability: (\d+)\.?\s*Current capability: (\d+)/,
    seen: "0.3 to 0.32",
    message: "$1 needs a GPU of capability {2}, this one has {3}",
    advice: "measure this format on a newer GPU; the cell is impossible here",
    retry: "never",
  },
  {
    id: "scheme-capability-too-low",
    pattern:
      /Quantization scheme is not supported for the current GPU\. Min\s*capability: (\d+)\.?\s*Current capability: (\d+)/,
    seen: "0.5 to 0.32",
    message: "the checkpoint's scheme needs a GPU of capability {1}, this one has {2}",
    advice: "measure this format on a newer GPU; the cell is impossible here",
    retry: "never",
  },
  {
    id: "format-not-on-platform",
    pattern:
      /(\w+) quantization is currently not supported in (\w+)|Unsupported quantization .*?(\w+) .*? (CPU)|quantization (\S+) is not supported on (\w+)/i,
    seen: "0.6 to 0.32 (CPU, TPU, XPU builds)",
    message: "this build of vLLM has no $1 on this platform",
    advice: "measure this format on a GPU, or with quantlab's embedded engine",
    retry: "never",
  },
  {
    id: "no-kernel-for-format",
    pattern:
      /(?:Failed to find a kernel that can implement the|No (?:available|suitable) kernels? .*for) ([\w ]+)/i,
    seen: "0.6 to 0.32",
    message: "no kernel of this build can run the $1",
    advice:
      "the log lists why each kernel was refused; another group size, a smaller vllm.tensorParallelSize or another device may do",
    retry: "never",
  },
  {
    id: "dtype-clash",
    pattern: /(torch\.\w+) is not supported for quantization\s+method (\S+)\. Supported dtypes/,
    seen: "0.4 to 0.32",
    message: "$2 does not take activations in $1",
    advice: "set vllm.dtype: float16",
    retry: "after-change",
  },
  {
    id: "no-bfloat16",
    pattern: /Bfloat16 is only supported on GPUs with compute capability/,
    seen: "0.2 to 0.32",
    message: "this GPU has no BF16 arithmetic",
    advice: "set vllm.dtype: half, and say so beside the figures",
    retry: "after-change",
  },
  {
    id: "quantization-mismatch",
    pattern:
      /Quantization method specified in the model config\s+\((\S+)\) does not match the quantization\s+method specified in the `?quantization`? argument\s+\((\S+)\)/,
    seen: "0.4 to 0.32",
    message: "the checkpoint is in $1, but $2 was asked for",
    advice: "let the format of lab.yaml be the checkpoint's own, without a kernel",
    retry: "after-change",
  },
  {
    id: "online-fp8-word",
    pattern: /no longer supports online\s+quantization/,
    seen: "0.31 to 0.32",
    message: "this version calls FP8 from a BF16 checkpoint by another word",
    advice: "give a ready FP8 checkpoint: `- fp8: { checkpoint: DIR }`",
    retry: "after-change",
  },
  {
    id: "unknown-quantization",
    pattern: /Unknown quantization method: (\S+?)\.?\s+Must/,
    seen: "0.4 to 0.32",
    message: "this version does not know the quantization $1",
    advice: "install a newer vLLM, or give a ready checkpoint for the format",
    retry: "after-change",
  },
  {
    id: "gated-no-token",
    pattern: /(?:gated repo|restricted)[\s\S]{0,400}?401|401[\s\S]{0,400}?gated repo/i,
    seen: "huggingface_hub",
    message: "the model is gated and no token was given",
    advice: "accept its licence on the model's page, then `hf auth login` or HF_TOKEN",
    retry: "no",
  },
  {
    id: "gated-no-permission",
    pattern:
      /(?:gated repo|not in the authorized list)[\s\S]{0,400}?403|403[\s\S]{0,400}?gated repo|not in the authorized list/i,
    seen: "huggingface_hub",
    message: "the model is gated and the token's account has no permission",
    advice: "ask for access on the model's page with the account of the token",
    retry: "no",
  },
  {
    id: "hub-offline",
    pattern:
      /(?:outgoing traffic has been disabled|offline mode is enabled|LocalEntryNotFoundError|Max retries exceeded with url|couldn't connect to 'https:\/\/huggingface\.co')/i,
    seen: "huggingface_hub",
    message: "the model is not in the local cache, and the hub cannot be reached from here",
    advice:
      "download it where there is a network (`hf download ID --local-dir DIR` on a login node) and give the folder as model",
    retry: "no",
  },
  {
    id: "unknown-model",
    pattern: /is not a valid model identifier|Repository Not Found|Repo id must be in the form/i,
    seen: "huggingface_hub",
    message: "there is no such model on the hub or in the cache, or it is private",
    advice: "check model in lab.yaml: a folder's path, or an id as on the model's page",
    retry: "no",
  },
  {
    id: "no-weights",
    pattern: /Cannot find any model weights with\s+[`'"]?([^`'"\s]+)/,
    seen: "0.2 to 0.32",
    message: "$1 holds no weight files",
    advice: "check that the download is complete: *.safetensors beside config.json",
    retry: "no",
  },
  {
    id: "broken-weights",
    pattern: /SafetensorError: (.+)|Error while deserializing header: (.+)/,
    seen: "all",
    message: "a weight file is damaged: $1",
    advice: "download the checkpoint again; `quantlab inspect DIR` names the file",
    retry: "no",
  },
  {
    id: "missing-weights",
    pattern: /Following weights were not initialized from checkpoint: \{?(.{0,120})/,
    seen: "0.6 to 0.32",
    message: "the checkpoint lacks tensors: $1",
    advice: "check that the download is complete and the format is the checkpoint's",
    retry: "no",
  },
  {
    id: "architecture-unknown",
    pattern: /Model architectures? (\[.*?\]) (?:are not supported|failed to be inspected)/,
    seen: "0.2 to 0.32",
    message: "this vLLM does not know the architecture $1",
    advice: "install a newer vLLM",
    retry: "no",
  },
  {
    id: "custom-code",
    pattern: /contains custom code which must be executed/,
    seen: "transformers",
    message: "the model brings code of its own, which would be run here",
    advice: "read that code first; then vllm.extraArgs: {trust-remote-code: true}",
    retry: "no",
  },
  {
    id: "heads-not-divisible",
    pattern: /attention heads \((\d+)\)\s+must be divisible by tensor parallel size\s+\((\d+)\)/,
    seen: "0.2 to 0.32",
    message: "$1 attention heads cannot be shared by $2 GPUs",
    advice: "set vllm.tensorParallelSize to a divisor of $1",
    retry: "after-change",
  },
  {
    id: "too-few-gpus",
    pattern:
      /World size \((\d+)\) is larger than the number of available GPUs \((\d+)\)|tensor parallel size .*larger than the number of available GPUs/i,
    seen: "0.6 to 0.32",
    message: "the model is to be spread over $1 GPUs, and $2 are here",
    advice:
      "compare with CUDA_VISIBLE_DEVICES; in slurm.yaml ask for that many (gres: gpu:h100:$1)",
    retry: "no",
  },
  {
    id: "no-device",
    pattern:
      /Failed to infer device type|No CUDA GPUs are available|CUDA driver version is insufficient|NVIDIA driver on your system is too old|Found no NVIDIA driver/,
    seen: "0.5 to 0.32",
    message: "vLLM finds no GPU that it can use",
    advice:
      "compare `nvidia-smi` with `python -c 'import torch; print(torch.version.cuda)'`; in a job, check gres",
    retry: "no",
  },
  {
    id: "wheel-without-kernels",
    pattern: /no kernel image is available for execution/,
    seen: "all",
    message: "this vLLM was built without kernels for this GPU",
    advice: "install a build for the GPU's compute capability",
    retry: "no",
  },
  {
    id: "nccl",
    pattern: /(?:NCCL error|ncclSystemError|ncclUnhandledCudaError|unhandled system error)/,
    seen: "all",
    message: "the GPUs could not talk to each other (NCCL)",
    advice:
      "set vllm.env: {NCCL_DEBUG: INFO} and read why; give more shared memory (/dev/shm), or name the interface with NCCL_SOCKET_IFNAME",
    retry: "once",
  },
  {
    id: "disk-full",
    pattern: /No space left on device|Disk quota exceeded/,
    seen: "all",
    message: "a disk is full",
    advice: "move the caches with vllm.env: HF_HOME, VLLM_CACHE_ROOT, TRITON_CACHE_DIR",
    retry: "after-change",
  },
  {
    id: "cache-not-writable",
    pattern: /(?:Permission denied|Read-only file system).*?(\/\S*(?:\.triton|\.cache|vllm)\S*)/,
    seen: "containers with an odd HOME",
    message: "the cache $1 cannot be written",
    advice: "set vllm.env: {VLLM_CACHE_ROOT: ..., TRITON_CACHE_DIR: ...} to a folder of yours",
    retry: "after-change",
  },
  {
    id: "engine-timeout",
    pattern: /Timed out waiting for engine/,
    seen: "0.9 to 0.32",
    message: "vLLM gave up waiting for its own engine",
    advice:
      "raise vllm.startTimeoutSeconds (VLLM_ENGINE_READY_TIMEOUT_S follows it); check how fast the model's file system is",
    retry: "once",
  },
  {
    id: "fp8-not-on-cpu",
    pattern: /_C::(?:static|dynamic)_scaled_fp8_quant\(\) expected at most 0 argument/,
    seen: "0.32 CPU build",
    message: "vLLM's build for CPUs has no FP8 arithmetic",
    advice: "measure this format on a GPU of capability 8.9 or newer, or with the embedded engine",
    retry: "never",
  },
  {
    id: "cpu-without-avx512",
    pattern: /has no attribute '?(cpu_gemm_wna16\w*)/,
    seen: "0.28 CPU build",
    message: "this CPU lacks AVX-512, which vLLM's 4-bit kernel needs ($1)",
    advice: "measure this format on another machine, or with the embedded engine",
    retry: "never",
  },
];
