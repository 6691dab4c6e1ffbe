#!/usr/bin/env bash
# Random-weight models of one shape for every contender whose tools are there.
# Usage: bench/peers/make-models.sh SHAPE FOLDER     SHAPE: smollm2-135m or llama-3.2-1b
#   LLAMA=FOLDER/bin  OPENVINO=VENV (optimum-intel, nncf)  ORT=VENV  TORCH=VENV (torch, safetensors)
# Every part is skipped when its variable is unset, and when its model is already there. LLAMA needs dist/ (npm run build).
set -euo pipefail
shape=$1
folder=$2
here=$(cd "$(dirname "$0")" && pwd)
python=$here/python
mkdir -p "$folder"
cd "$folder"

gguf() { # suffix, type, more arguments
  [ -s "$shape-$1.gguf" ] && return
  "$LLAMA/llama-quantize" --pure "${@:3}" "$shape-bf16.gguf" "$shape-$1.tmp" "$2" "${JOBS:-2}" >/dev/null 2>"$shape-$1.log" || { cat "$shape-$1.log"; exit 1; }
  rm "$shape-$1.log"
  mv "$shape-$1.tmp" "$shape-$1.gguf"
}
if [ -n "${LLAMA:-}" ]; then
  if [ ! -s "$shape-bf16.gguf" ]; then
    node "$here/make-gguf.mjs" "$shape" "$shape-bf16.tmp"
    mv "$shape-bf16.tmp" "$shape-bf16.gguf"
  fi
  # --pure: head and embedding in the same type; the others keep them in BF16, as quantlab does.
  kept=(--token-embedding-type bf16 --output-tensor-type bf16)
  gguf q8_0 Q8_0
  gguf q8_0-bf16head Q8_0 "${kept[@]}"
  gguf q4_0 Q4_0
  gguf q4_0-bf16head Q4_0 "${kept[@]}"
  gguf q4_1 Q4_1
fi

if [ -n "${TORCH:-}" ]; then
  hf=$shape-hf
  [ -s "$hf/model.safetensors" ] || "$TORCH/bin/python" "$python/make_hf.py" "$shape" "$hf"
  # vLLM fills dummy weights itself.
  mkdir -p "$shape-vllm-bf16"
  cp "$hf"/*.json "$shape-vllm-bf16/"
  "$TORCH/bin/python" "$python/make_hf.py" "$shape" "$shape-vllm-awq" awq
fi

export_openvino() { # name here, weight format, more arguments
  [ -d "$shape-openvino-$1" ] && return
  "$OPENVINO/bin/optimum-cli" export openvino --model "$hf" --task text-generation-with-past \
    --weight-format "$2" "${@:3}" "$shape-openvino-$1.tmp"
  mv "$shape-openvino-$1.tmp" "$shape-openvino-$1"
}
if [ -n "${OPENVINO:-}" ]; then
  # It exports no BF16; on a CPU that has it, FP16 weights become BF16 when the model is compiled.
  export_openvino bf16 fp16
  export_openvino int8 int8
  group=128
  [ "$shape" = smollm2-135m ] && group=64
  export_openvino int4 int4 --group-size $group --ratio 1.0
fi

build_ort() { # precision
  [ -d "$shape-ort-$1" ] && return
  "$ORT/bin/python" -m onnxruntime_genai.models.builder -i "$hf" -o "$shape-ort-$1.tmp" -p "$1" -e cpu
  cp "$hf/config.json" "$shape-ort-$1.tmp/"
  mv "$shape-ort-$1.tmp" "$shape-ort-$1"
}
if [ -n "${ORT:-}" ]; then
  build_ort int4
  # 5 GB for the 1B shape, and four bytes a weight to read: only where it is quick.
  [ "$shape" = llama-3.2-1b ] || build_ort fp32
fi
