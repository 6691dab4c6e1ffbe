// The inner loops of attention: a few query rows against at most 64 keys.
#pragma once
#include <cstddef>

#include "memory.h"

namespace quantlab {

constexpr std::size_t kTileGroups = 4;                // groups of 16 keys
constexpr std::size_t kTileKeys = 16 * kTileGroups;
constexpr std::size_t kTileRows = 32;                 // query rows that share the tile's keys

// Consecutive groups of a context; only the first counts[j] keys of group j exist.
struct KeyTile {
  std::size_t groups = 0;
  const bf16* keys[kTileGroups];    // [headDim / 2][16][2]
  const bf16* values[kTileGroups];  // [counts][valueColumns]
  std::size_t counts[kTileGroups];
  std::size_t starts[kTileGroups];  // position of the first key in the context
};

struct TileLoops {
  // scores[row * kTileKeys + 16 * j + lane] = queries[row] . key; lanes beyond counts are garbage.
  void (*score)(const bf16* const* queries, std::size_t rows, std::size_t headDim,
                const KeyTile& tile, float* scores);
  // sums[row * columns + d] = sums * factors[row] + sum over keys of weights[row * kTileKeys + k] * v[k][d].
  void (*accumulate)(const float* weights, const float* factors, std::size_t rows,
                     std::size_t columns, const KeyTile& tile, float* sums);
};

extern const TileLoops portableTileLoops;
#if defined(__x86_64__)
extern const TileLoops avx2TileLoops;
extern const TileLoops avx512TileLoops;
#endif

// Those of the active instruction set.
const TileLoops& tileLoops();

}  // namespace quantlab
