// The inner loops of attention on AMX: 16 query rows and 16 lines of keys, or of values, are a tile each.
#include "attention-tile.h"

#if defined(__x86_64__)
#include <algorithm>
#include <cstring>

#include "amx.h"
#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab {
namespace {

static_assert(kTileRows == 2 * amx::kTileRows);
static_assert(kQueryMultiple * sizeof(bf16) == amx::kTileBytes);
constexpr std::size_t kLineBytes = KvCache::kLineBytes;
constexpr std::size_t kTileLines = amx::kTileRows;  // 32 elements of a key, or 32 keys of a value
constexpr std::size_t kScoreStride = kTileKeys * sizeof(float);
constexpr std::size_t kWeightStride = kTileKeys * sizeof(bf16);

// What does not fill a tile, with zeros around it, and values as tiles of 32 keys.
struct Scratch {
  alignas(64) bf16 keys[kTileGroups][kTileLines * kLineElements];
  alignas(64) bf16 values[kTileGroups / 2 * kMaxHeadDim / 16][kTileLines * kLineElements];
  alignas(64) bf16 weights[kTileRows * kTileKeys];
};

Scratch& scratch() {
  thread_local Scratch memory;
  return memory;
}

// Lines [first, lines) of each group, zeros up to a tile: a query is 0 there, but zero times NaN is not.
void copyTails(const KeyTile& tile, std::size_t first, std::size_t lines, Scratch& memory) {
  for (std::size_t j = 0; j < tile.groups; j++) {
    std::memset(memory.keys[j], 0, sizeof memory.keys[j]);
    std::memcpy(memory.keys[j], tile.keys[j] + first * kLineElements, (lines - first) * kLineBytes);
  }
}

// Rows [0, 16) and, if both, [16, 32) of the queries against two groups: sums in tiles 0 to 3.
template <bool Both>
void scorePair(const QueryRows& queries, const bf16* const* keys, const bf16* const* tails,
               std::size_t whole, std::size_t steps, float* scores) {
  const std::size_t stride = queries.stride * sizeof(bf16);
  const bf16* second = queries.data + amx::kTileRows * queries.stride;
  amx::zeroTile<0>();
  amx::zeroTile<1>();
  if constexpr (Both) {
    amx::zeroTile<2>();
    amx::zeroTile<3>();
  }
  for (std::size_t step = 0; step < steps; step++) {
    const std::size_t offset = step * kTileLines * kLineElements;
    const bf16* left = step < whole ? keys[0] + offset : tails[0];
    const bf16* right = step < whole ? keys[1] + offset : tails[1];
    amx::loadTile<4>(queries.data + step * kQueryMultiple, stride);
    amx::loadTile<6>(left, kLineBytes);
    amx::loadTile<7>(right, kLineBytes);
    amx::multiplyTiles<0, 4, 6>();
    amx::multiplyTiles<1, 4, 7>();
    if constexpr (Both) {
      amx::loadTile<5>(second + step * kQueryMultiple, stride);
      amx::multiplyTiles<2, 5, 6>();
      amx::multiplyTiles<3, 5, 7>();
    }
  }
  amx::storeTile<0>(scores, kScoreStride);
  amx::storeTile<1>(scores + 16, kScoreStride);
  if constexpr (Both) {
    amx::storeTile<2>(scores + amx::kTileRows * kTileKeys, kScoreStride);
    amx::storeTile<3>(scores + amx::kTileRows * kTileKeys + 16, kScoreStride);
  }
}

void score(const QueryRows& queries, const KeyTile& tile, float* scores) {
  const std::size_t lines = queries.headDim / 2;
  const std::size_t whole = lines / kTileLines;
  const std::size_t steps = (lines + kTileLines - 1) / kTileLines;
  Scratch& memory = scratch();
  if (steps > whole) copyTails(tile, whole * kTileLines, lines, memory);
  for (std::size_t j = 0; j < tile.groups; j += 2) {
    // A missing group repeats the one before it; its scores are never read.
    const std::size_t next = std::min(j + 1, tile.groups - 1);
    const bf16* keys[2] = {tile.keys[j], tile.keys[next]};
    const bf16* tails[2] = {memory.keys[j], memory.keys[next]};
    if (queries.rows > amx::kTileRows)
      scorePair<true>(queries, keys, tails, whole, steps, scores + 16 * j);
    else
      scorePair<false>(queries, keys, tails, whole, steps, scores + 16 * j);
  }
}

// The lines of `pairs` pairs of 16 columns, then zeros; of the last pair only the first key may exist.
QUANTLAB_AVX512 inline void copyPairs(const bf16* lines, std::size_t keys, bf16* target) {
  const std::size_t pairs = (keys + 1) / 2;
  for (std::size_t pair = 0; pair < KvCache::kLinePairs; pair++) {
    const __mmask32 mask = pair >= pairs               ? 0u
                           : 2 * pair + 1 == keys ? 0x55555555u
                                                       : 0xffffffffu;
    _mm512_store_si512(target + pair * kLineElements,
                       _mm512_maskz_loadu_epi16(mask, lines + pair * kLineElements));
  }
}

// Values as tiles: two groups' lines of 16 columns under each other.
void copyValues(const KeyTile& tile, std::size_t blocks, Scratch& memory) {
  constexpr std::size_t kHalf = KvCache::kLinePairs * kLineElements;
  for (std::size_t j = 0; j < kTileGroups; j++) {
    if (j >= (tile.groups + 1) / 2 * 2) break;
    for (std::size_t block = 0; block < blocks; block++) {
      bf16* target = memory.values[j / 2 * blocks + block] + j % 2 * kHalf;
      if (j < tile.groups)
        copyPairs(tile.values[j] + block * kHalf, tile.counts[j], target);
      else
        std::memset(target, 0, kHalf * sizeof(bf16));
    }
  }
}

QUANTLAB_AVX512 void packWeights(const float* weights, std::size_t rows, bf16* packed) {
  for (std::size_t at = 0; at < rows * kTileKeys; at += 32) {
    const __m512bh both =
        _mm512_cvtne2ps_pbh(_mm512_loadu_ps(weights + at + 16), _mm512_loadu_ps(weights + at));
    _mm512_store_si512(packed + at, (__m512i)both);
  }
}

QUANTLAB_AVX512 void scaleSums(const float* factors, std::size_t rows, std::size_t columns,
                               float* sums) {
  for (std::size_t row = 0; row < rows; row++) {
    if (factors[row] == 1.0f) continue;
    const __m512 factor = _mm512_set1_ps(factors[row]);
    for (std::size_t d = 0; d < columns; d += 16)
      _mm512_storeu_ps(sums + row * columns + d,
                       _mm512_mul_ps(_mm512_loadu_ps(sums + row * columns + d), factor));
  }
}

// Adds `steps` times 32 keys to 16 rows of two blocks of 16 columns (or of one): tiles 0 and 1, and for
// the next 16 rows 2 and 3.
template <bool BothRows, bool BothBlocks>
void addBlocks(const Scratch& memory, std::size_t block, std::size_t blocks, std::size_t steps,
               std::size_t columns, float* sums) {
  const std::size_t stride = columns * sizeof(float);
  float* first = sums + 16 * block;
  float* second = first + amx::kTileRows * columns;
  amx::loadTile<0>(first, stride);
  if constexpr (BothBlocks) amx::loadTile<1>(first + 16, stride);
  if constexpr (BothRows) amx::loadTile<2>(second, stride);
  if constexpr (BothRows && BothBlocks) amx::loadTile<3>(second + 16, stride);
  for (std::size_t step = 0; step < steps; step++) {
    const bf16* values = memory.values[step * blocks + block];
    amx::loadTile<4>(memory.weights + step * 32, kWeightStride);
    amx::loadTile<6>(values, kLineBytes);
    amx::multiplyTiles<0, 4, 6>();
    if constexpr (BothBlocks) {
      amx::loadTile<7>(values + kTileLines * kLineElements, kLineBytes);
      amx::multiplyTiles<1, 4, 7>();
    }
    if constexpr (BothRows) {
      amx::loadTile<5>(memory.weights + amx::kTileRows * kTileKeys + step * 32, kWeightStride);
      amx::multiplyTiles<2, 5, 6>();
      if constexpr (BothBlocks) amx::multiplyTiles<3, 5, 7>();
    }
  }
  amx::storeTile<0>(first, stride);
  if constexpr (BothBlocks) amx::storeTile<1>(first + 16, stride);
  if constexpr (BothRows) amx::storeTile<2>(second, stride);
  if constexpr (BothRows && BothBlocks) amx::storeTile<3>(second + 16, stride);
}

template <bool BothRows>
void addAll(const Scratch& memory, std::size_t blocks, std::size_t steps, std::size_t columns,
            float* sums) {
  std::size_t block = 0;
  for (; block + 2 <= blocks; block += 2)
    addBlocks<BothRows, true>(memory, block, blocks, steps, columns, sums);
  if (block < blocks) addBlocks<BothRows, false>(memory, block, blocks, steps, columns, sums);
}

// Rows are whole tiles: what stands in rows beyond `rows` is written and never read.
void accumulate(const float* weights, const float* factors, std::size_t rows, std::size_t columns,
                const KeyTile& tile, float* sums) {
  Scratch& memory = scratch();
  const std::size_t blocks = columns / 16;
  const std::size_t steps = (tile.groups + 1) / 2;
  copyValues(tile, blocks, memory);
  packWeights(weights, rows, memory.weights);
  scaleSums(factors, rows, columns, sums);
  if (rows > amx::kTileRows)
    addAll<true>(memory, blocks, steps, columns, sums);
  else
    addAll<false>(memory, blocks, steps, columns, sums);
}

}  // namespace

const TileLoops amxTileLoops{{score, accumulate},   {nullptr, nullptr}, avx512TileLoops.widen,
                             amx::configureTiles,   amx::releaseTiles,  true,
                             avx512TileLoops.soften};

}  // namespace quantlab
#endif
