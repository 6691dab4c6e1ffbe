// Rotary position embedding, and the write of keys and values into the cache.
#pragma once
#include <cstddef>

#include "batch.h"
#include "kv-cache.h"
#include "memory.h"

namespace quantlab {

// Cosines and sines of position * inverseFrequency, FP32 angles.
struct RopeTable {
  std::size_t half;  // headDim / 2
  std::size_t positions;
  Block cosines;  // [positions, half] float
  Block sines;    // [positions, half] float
};

void fillRopeTable(const RopeTable& table, const float* inverseFrequencies);

// Weights of the RMSNorm on each query and key head; null when the model has none.
struct QkNorm {
  const bf16* q = nullptr;  // [headDim]
  const bf16* k = nullptr;  // [headDim]
  float eps = 0;
};

// qkv [tokens, (heads + 2 kvHeads) * headDim]: rotates queries and keys in place; keys and values go
// to the cache.
void ropeAndCache(bf16* qkv, const Batch& batch, const RopeTable& table, const KvCache& cache,
                  std::size_t layer, std::size_t heads, const QkNorm& norm);

}  // namespace quantlab
