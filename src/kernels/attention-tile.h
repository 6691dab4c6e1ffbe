// The inner loops of attention: a few query rows against at most 64 keys.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kv-cache.h"

namespace quantlab {

constexpr std::size_t kTileGroups = 4;                // groups of 16 keys
constexpr std::size_t kTileKeys = 16 * kTileGroups;
constexpr std::size_t kTileRows = 32;                 // query rows that share the tile's keys
constexpr std::size_t kFewRows = 4;                   // decode: codes pay to be read in registers
constexpr std::size_t kLineElements = 32;             // BF16 numbers of a line
constexpr std::size_t kQueryMultiple = 32;            // query rows are padded with zeros to it
constexpr std::size_t kQueryRows = 16;                // scores and sums have room for as many rows

// Consecutive groups of a context, as kv-cache.h lays out lines (of bf16) or codes (of uint8_t); only the
// first counts[j] keys of group j exist, and nothing may be computed from what lies behind them.
template <typename Element>
struct TileOf {
  std::size_t groups = 0;
  const Element* keys[kTileGroups];
  const Element* values[kTileGroups];
  std::size_t counts[kTileGroups];
  std::size_t starts[kTileGroups];  // position of the first key in the context
  // What is read next, if anything: loops may fetch it while they work on this one.
  const TileOf* ahead = nullptr;
};
using KeyTile = TileOf<bf16>;
using CodeTile = TileOf<std::uint8_t>;

// Query rows `stride` elements apart, zeros from headDim to the stride, and in the rows up to the next
// multiple of kQueryRows.
struct QueryRows {
  const bf16* data;
  std::size_t stride;
  std::size_t rows;
  std::size_t headDim;
};

template <typename Element>
struct TileProducts {
  // scores[row * kTileKeys + 16 * j + lane] = query . key; lanes beyond counts are garbage, codes are
  // taken without their scale.
  void (*score)(const QueryRows& queries, const TileOf<Element>& tile, float* scores);
  // sums[row * columns + d] = sums * factors[row] + sum over keys of weights[row * kTileKeys + k] * v[k][d];
  // weights of keys beyond counts are 0. They are what soften left.
  void (*accumulate)(const float* weights, const float* factors, std::size_t rows,
                     std::size_t columns, const TileOf<Element>& tile, float* sums);
};

struct TileLoops {
  TileProducts<bf16> lines;
  // For at most kFewRows rows; null where codes are always widened first.
  TileProducts<std::uint8_t> codes;
  // `count` lines of 64 codes to twice as many lines of BF16.
  void (*widen)(const std::uint8_t* codes, std::size_t count, bf16* lines);
  // Called by each thread around its use of the loops; null where nothing is to be done.
  void (*begin)();
  void (*end)();
  // accumulate writes rows up to the next multiple of this one.
  std::size_t rowMultiple = 1;
  // The weights of one row's kTileKeys scores, in place: exp(scale * score - maximum); updates the
  // running maximum and sum and returns the factor for what was summed. Null takes the common one, and
  // leaves floats. These may leave BF16 numbers at the row's beginning; it is the rounded ones that are
  // summed then, so that what is divided by is the sum of what was multiplied.
  float (*soften)(float* scores, float scale, float* maximum, float* sum) = nullptr;
};

extern const TileLoops portableTileLoops;
#if defined(__x86_64__)
extern const TileLoops avx2TileLoops;
extern const TileLoops avx512TileLoops;
extern const TileLoops amxTileLoops;
#elif defined(__aarch64__)
extern const TileLoops neonTileLoops;
#endif

// Those of the active instruction set for a sequence of so many query rows that share a KV head. With AMX
// a decode over codes is left to AVX-512, which reads them in registers.
const TileLoops& tileLoops(KvDtype dtype, std::size_t rows);

}  // namespace quantlab
