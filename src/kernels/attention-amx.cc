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
// Weights are BF16 numbers at the beginning of each row of scores, as AVX-512's soften leaves them.
constexpr std::size_t kWeightStride = kScoreStride;

// What does not fill a tile, with zeros around it, and values as tiles of 32 keys.
struct Scratch {
  alignas(64) bf16 keys[kTileGroups][kTileLines * kLineElements];
  alignas(64) bf16 values[kTileGroups / 2 * kMaxHeadDim / 16][kTileLines * kLineElements];
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

// Sums of a tile in 6 and one of lines: two operands alive at a time, as in the matmul.
template <int Sums>
inline void addLines(const bf16* lines) {
  amx::loadTile<7>(lines, kLineBytes);
  amx::multiplyTiles<Sums, 6, 7>();
  amx::zeroTile<7>();
}

// 16 rows of queries against two groups of keys.
void scorePair(const bf16* queries, std::size_t stride, const bf16* const* keys,
               const bf16* const* tails, std::size_t whole, std::size_t steps, float* scores) {
  amx::zeroTile<0>();
  amx::zeroTile<1>();
  for (std::size_t step = 0; step < steps; step++) {
    const std::size_t offset = step * kTileLines * kLineElements;
    amx::loadTile<6>(queries + step * kQueryMultiple, stride * sizeof(bf16));
    addLines<0>(step < whole ? keys[0] + offset : tails[0]);
    addLines<1>(step < whole ? keys[1] + offset : tails[1]);
    amx::zeroTile<6>();
  }
  amx::storeTile<0>(scores, kScoreStride);
  amx::storeTile<1>(scores + 16, kScoreStride);
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
    for (std::size_t row = 0; row < queries.rows; row += amx::kTileRows)
      scorePair(queries.data + row * queries.stride, queries.stride, keys, tails, whole, steps,
                scores + row * kTileKeys + 16 * j);
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

// Adds `steps` times 32 keys to 16 rows of two blocks of 16 columns (or of one).
template <bool Both>
void addBlocks(const Scratch& memory, const bf16* weights, std::size_t row, std::size_t block,
               std::size_t blocks, std::size_t steps, std::size_t columns, float* sums) {
  const std::size_t stride = columns * sizeof(float);
  float* target = sums + row * columns + 16 * block;
  amx::loadTile<0>(target, stride);
  if constexpr (Both) amx::loadTile<1>(target + 16, stride);
  for (std::size_t step = 0; step < steps; step++) {
    const bf16* values = memory.values[step * blocks + block];
    amx::loadTile<6>(weights + row * kWeightStride / sizeof(bf16) + step * 32, kWeightStride);
    addLines<0>(values);
    if constexpr (Both) addLines<1>(values + kTileLines * kLineElements);
    amx::zeroTile<6>();
  }
  amx::storeTile<0>(target, stride);
  if constexpr (Both) amx::storeTile<1>(target + 16, stride);
}

// Rows are whole tiles: what stands in rows beyond `rows` is written and never read.
void accumulate(const float* weights, const float* factors, std::size_t rows, std::size_t columns,
                const KeyTile& tile, float* sums) {
  Scratch& memory = scratch();
  const std::size_t blocks = columns / 16;
  const std::size_t steps = (tile.groups + 1) / 2;
  copyValues(tile, blocks, memory);
  const auto* numbers = reinterpret_cast<const bf16*>(weights);
  scaleSums(factors, rows, columns, sums);
  for (std::size_t row = 0; row < rows; row += amx::kTileRows) {
    std::size_t block = 0;
    for (; block + 2 <= blocks; block += 2)
      addBlocks<true>(memory, numbers, row, block, blocks, steps, columns, sums);
    if (block < blocks) addBlocks<false>(memory, numbers, row, block, blocks, steps, columns, sums);
  }
}

}  // namespace

const TileLoops amxTileLoops{{score, accumulate},   {nullptr, nullptr}, avx512TileLoops.widen,
                             amx::configureTiles,   amx::releaseTiles,  amx::kTileRows,
                             avx512TileLoops.soften};

}  // namespace quantlab
#endif
