#!/usr/bin/env bash
# llama.cpp's llama-bench, llama-batched-bench and llama-quantize from the source bundle in npm's node-llama-cpp.
# Usage: bench/peers/build-llama.sh FOLDER    gives FOLDER/bin, and FOLDER/bin-blas with OpenBLAS beside it
# Needs cmake, ninja, g++ and (for bin-blas) libopenblas-dev. One build serves AVX2, Zen 4 and AMX machines.
set -euo pipefail
mkdir -p "$1"
cd "$1"
tar xzf "$(npm pack --silent node-llama-cpp@3.22.1)" package/llama/gitRelease.bundle
git clone -q package/llama/gitRelease.bundle llama.cpp

# Three of the many CPU variants are enough here, and build in a fifth of the time.
sed -i -E '/ggml_add_cpu_backend_variant\((haswell|zen4|sapphirerapids) /!s/^( +)ggml_add_cpu_backend_variant\((x64|sse42|sandybridge|ivybridge|piledriver|skylakex|cannonlake|cascadelake|icelake|cooperlake|alderlake)/\1# &/' \
  llama.cpp/ggml/src/CMakeLists.txt

# GCC 12's tile intrinsics declare less memory than they touch, and without barriers every AMX prompt crashes.
mmq=llama.cpp/ggml/src/ggml-cpu/amx/mmq.cpp
sed -i -E 's/\b_tile_loadd\(/BARRIER_LOADD(/; s/^( *)_tile_loadconfig\(&tc\);/\1__asm__ volatile("" : : "r"(\&tc) : "memory"); &/; s/\b_tile_stored\(([^;]*)\);/do { _tile_stored(\1); __asm__ volatile("" : : : "memory"); } while (0);/' "$mmq"
sed -i '0,/#include "mmq.h"/s//#include "mmq.h"\n#define BARRIER_LOADD(t, p, s) do { __asm__ volatile("" : : "r"(p) : "memory"); _tile_loadd(t, p, s); } while (0)/' "$mmq"

cmake -S llama.cpp -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
  -DGGML_NATIVE=OFF -DGGML_BACKEND_DL=ON -DGGML_CPU_ALL_VARIANTS=ON \
  -DGGML_BLAS=ON -DGGML_BLAS_VENDOR=OpenBLAS \
  -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF \
  -DLLAMA_BUILD_UI=OFF -DCMAKE_INSTALL_RPATH='$ORIGIN' -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON
nice -n 10 ninja -C build -j "${JOBS:-2}" llama-bench llama-batched-bench llama-quantize \
  ggml-cpu-haswell ggml-cpu-zen4 ggml-cpu-sapphirerapids ggml-blas

# A backend is used when its library lies beside the program, so OpenBLAS gets a folder of its own.
mkdir -p bin bin-blas
cp -a build/bin/. bin/
cp -a build/bin/. bin-blas/
rm bin/libggml-blas.so

# About 1 GB that nothing needs any more.
rm -rf build package llama.cpp node-llama-cpp-*.tgz
