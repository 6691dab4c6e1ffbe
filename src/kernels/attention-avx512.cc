// The inner loops of attention with AVX-512: BF16 dot products for scores and for sums of values; codes
// are decoded in registers.
#include "attention-tile.h"

#if defined(__x86_64__)
#include <cstring>
#include <limits>
#include <type_traits>

#include "../formats/fp8/decode.h"
#include "dispatch.h"
#include "exponential.h"
#include "intrinsics.h"

namespace quantlab {
namespace {

// Two neighbouring lines of a group, as they lie or decoded. `kElements` of storage hold the two.
struct StoredLines {
  using Element = bf16;
  static constexpr std::size_t kElements = 2 * kLineElements;

  QUANTLAB_AVX512 void load(const bf16* at, __m512i* first, __m512i* second) const {
    *first = _mm512_loadu_si512(at);
    *second = _mm512_loadu_si512(at + kLineElements);
  }
};

struct CodedLines {
  using Element = std::uint8_t;
  static constexpr std::size_t kElements = fp8::kCodeBytes;
  fp8::Decoder tables = fp8::decoder();

  QUANTLAB_AVX512 CodedLines() {}
  QUANTLAB_AVX512 void load(const std::uint8_t* at, __m512i* first, __m512i* second) const {
    fp8::decode(tables, at, first, second);
  }
};

QUANTLAB_AVX512 inline __m512 dotPair(__m512 sum, const bf16* pair, __m512i line) {
  int bits;
  std::memcpy(&bits, pair, 4);
  return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(bits), (__m512bh)line);
}

// The storage of two lines into the caches.
template <typename Lines>
inline void fetchLines(const typename Lines::Element* at) {
  const char* bytes = reinterpret_cast<const char*>(at);
#pragma GCC unroll 2
  for (std::size_t byte = 0; byte < Lines::kElements * sizeof(*at); byte += KvCache::kLineBytes)
    _mm_prefetch(bytes + byte, _MM_HINT_T1);
}

// `Rows` queries against all groups: Rows * 4 sums stay in registers. A row's arithmetic is the same
// whatever Rows is. With `Fetches`, the groups at `ahead` are fetched meanwhile.
template <std::size_t Rows, bool Fetches, typename Lines>
QUANTLAB_AVX512 void scoreRows(const bf16* queries, const QueryRows& all,
                               const typename Lines::Element* const* keys,
                               const typename Lines::Element* const* ahead, float* scores) {
  const Lines lines;
  const std::size_t pairs = all.headDim / 2;
  __m512 sums[Rows][kTileGroups];
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kTileGroups; j++) sums[row][j] = _mm512_setzero_ps();
  for (std::size_t at = 0; at < pairs / 2; at++) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kTileGroups; j++) {
      __m512i first;
      __m512i second;
      lines.load(keys[j] + at * Lines::kElements, &first, &second);
      if constexpr (Fetches) fetchLines<Lines>(ahead[j] + at * Lines::kElements);
#pragma GCC unroll 4
      for (std::size_t row = 0; row < Rows; row++) {
        const bf16* query = queries + row * all.stride + 4 * at;
        sums[row][j] = dotPair(sums[row][j], query, first);
        sums[row][j] = dotPair(sums[row][j], query + 2, second);
      }
    }
  }
  if (pairs % 2 != 0) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kTileGroups; j++) {
      const auto* at = keys[j] + pairs / 2 * Lines::kElements;
      __m512i last;
      __m512i beyond;
      // The line beyond the last one is another group's, or nobody's memory.
      if constexpr (std::is_same_v<Lines, CodedLines>) lines.load(at, &last, &beyond);
      else last = _mm512_loadu_si512(at);
#pragma GCC unroll 4
      for (std::size_t row = 0; row < Rows; row++)
        sums[row][j] = dotPair(sums[row][j], queries + row * all.stride + 2 * (pairs - 1), last);
    }
  }
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kTileGroups; j++)
      _mm512_storeu_ps(scores + row * kTileKeys + 16 * j, sums[row][j]);
}

template <bool Fetches, typename Lines>
QUANTLAB_AVX512 void scoreSome(std::size_t rows, const bf16* queries, const QueryRows& all,
                               const typename Lines::Element* const* keys,
                               const typename Lines::Element* const* ahead, float* scores) {
  switch (rows) {
    case 1: return scoreRows<1, Fetches, Lines>(queries, all, keys, ahead, scores);
    case 2: return scoreRows<2, Fetches, Lines>(queries, all, keys, ahead, scores);
    case 3: return scoreRows<3, Fetches, Lines>(queries, all, keys, ahead, scores);
    default: scoreRows<4, Fetches, Lines>(queries, all, keys, ahead, scores);
  }
}

template <typename Lines>
QUANTLAB_AVX512 void score(const QueryRows& queries, const TileOf<typename Lines::Element>& tile,
                           float* scores) {
  using Element = typename Lines::Element;
  // Missing groups repeat the first one; their scores are never read.
  const Element* keys[kTileGroups];
  const Element* ahead[kTileGroups];
  const TileOf<Element>& next = tile.ahead == nullptr ? tile : *tile.ahead;
  for (std::size_t j = 0; j < kTileGroups; j++) {
    keys[j] = tile.keys[j < tile.groups ? j : 0];
    ahead[j] = next.keys[j < next.groups ? j : 0];
  }
  for (std::size_t row = 0; row < queries.rows; row += 4) {
    const bf16* data = queries.data + row * queries.stride;
    float* target = scores + row * kTileKeys;
    if (row == 0 && tile.ahead != nullptr)
      scoreSome<true, Lines>(queries.rows, data, queries, keys, ahead, target);
    else
      scoreSome<false, Lines>(queries.rows - row, data, queries, keys, ahead, target);
  }
}

// 2^x of x <= 0; NaN stays NaN. The polynomial errs by at most 3e-6 of the value, the hundredth part of a
// BF16 number's last place, and is 1 at 0: the largest weight is exactly 1.
QUANTLAB_AVX512 inline __m512 powerOfTwo(__m512 x) {
  // What x is above the whole number below it, which scalef takes itself; 0 for -infinity.
  const __m512 r = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  __m512 p = _mm512_set1_ps(1.34266885e-2f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.22424653e-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.41280213e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.93044841e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, x);
}

// Leaves BF16 numbers at the beginning of the row.
QUANTLAB_AVX512 float soften(float* scores, float scale, float* maximum, float* sum) {
  __m512 raw[kTileGroups];
#pragma GCC unroll 4
  for (std::size_t j = 0; j < kTileGroups; j++) raw[j] = _mm512_loadu_ps(scores + 16 * j);
  const __m512 best = _mm512_max_ps(_mm512_max_ps(raw[0], raw[1]), _mm512_max_ps(raw[2], raw[3]));
  const float before = *maximum;
  const float found = _mm512_reduce_max_ps(best) * scale;
  const float top = found > before ? found : before;
  // A row that sees nothing yet: weights 0, not exp(-inf + inf).
  const float shift = top == -std::numeric_limits<float>::infinity() ? 0.0f : top;
  constexpr float kLog2E = 1.44269504088896341f;
  const __m512 scales = _mm512_set1_ps(scale * kLog2E);
  const __m512 shifts = _mm512_set1_ps(shift * kLog2E);
  const __m512i ones = _mm512_set1_epi32(0x3f803f80);
  __m512 total = _mm512_setzero_ps();
#pragma GCC unroll 2
  for (std::size_t j = 0; j < kTileGroups; j += 2) {
    const __m512 low = powerOfTwo(_mm512_fmsub_ps(raw[j], scales, shifts));
    const __m512 high = powerOfTwo(_mm512_fmsub_ps(raw[j + 1], scales, shifts));
    const __m512bh weights = _mm512_cvtne2ps_pbh(high, low);
    _mm512_storeu_si512(scores + 8 * j, (__m512i)weights);
    total = _mm512_dpbf16_ps(total, weights, (__m512bh)ones);
  }
  const float keep = top == before ? 1.0f : exponential(before - shift);
  *maximum = top;
  *sum = *sum * keep + _mm512_reduce_add_ps(total);
  return keep;
}

// From one row to the next of weights that soften left: pairs of BF16 numbers in the place of floats.
constexpr std::size_t kPairStride = kTileKeys;

// `Vectors` lines of a pair of keys, side by side, times the pair's weights.
template <std::size_t Rows, std::size_t Vectors>
QUANTLAB_AVX512 inline void addLines(const __m512i (&lines)[Vectors], const float* pairs,
                                     __m512 (&sums)[Rows][Vectors]) {
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++) {
    int bits;
    std::memcpy(&bits, pairs + row * kPairStride, 4);
    const __m512i weights = _mm512_set1_epi32(bits);
#pragma GCC unroll 4
    for (std::size_t v = 0; v < Vectors; v++)
      sums[row][v] = _mm512_dpbf16_ps(sums[row][v], (__m512bh)weights, (__m512bh)lines[v]);
  }
}

// Two pairs of keys.
template <std::size_t Rows, std::size_t Vectors, typename Lines>
QUANTLAB_AVX512 inline void addQuad(const Lines& lines, const typename Lines::Element* at,
                                    const float* pairs, __m512 (&sums)[Rows][Vectors]) {
  constexpr std::size_t kColumns = KvCache::kLinePairs / 2 * Lines::kElements;
  __m512i first[Vectors];
  __m512i second[Vectors];
#pragma GCC unroll 4
  for (std::size_t v = 0; v < Vectors; v++) lines.load(at + v * kColumns, &first[v], &second[v]);
  addLines<Rows, Vectors>(first, pairs, sums);
  addLines<Rows, Vectors>(second, pairs + 1, sums);
}

// The same where only `count` of the four keys exist: what lies in the others' place may be NaN.
template <std::size_t Rows, std::size_t Vectors, typename Lines>
QUANTLAB_AVX512 inline void addSome(const Lines& lines, const typename Lines::Element* at,
                                    std::size_t count, const float* pairs,
                                    __m512 (&sums)[Rows][Vectors]) {
  constexpr std::size_t kColumns = KvCache::kLinePairs / 2 * Lines::kElements;
  const auto maskOf = [count](std::size_t key) {
    return static_cast<__mmask32>(count > key + 1   ? 0xffffffffu
                                  : count == key + 1 ? 0x55555555u
                                                     : 0u);
  };
  __m512i first[Vectors];
  __m512i second[Vectors];
  for (std::size_t v = 0; v < Vectors; v++) {
    lines.load(at + v * kColumns, &first[v], &second[v]);
    first[v] = _mm512_maskz_mov_epi16(maskOf(0), first[v]);
    second[v] = _mm512_maskz_mov_epi16(maskOf(2), second[v]);
  }
  addLines<Rows, Vectors>(first, pairs, sums);
  addLines<Rows, Vectors>(second, pairs + 1, sums);
}

// The values of all keys of a tile in `Vectors` times 16 columns from `first` into the caches.
template <std::size_t Vectors, typename Lines>
inline void fetchQuad(const TileOf<typename Lines::Element>& tile, std::size_t j, std::size_t offset) {
  constexpr std::size_t kColumns = KvCache::kLinePairs / 2 * Lines::kElements;
  if (j >= tile.groups) return;
#pragma GCC unroll 4
  for (std::size_t v = 0; v < Vectors; v++)
    fetchLines<Lines>(tile.values[j] + offset + v * kColumns);
}

template <std::size_t Rows, std::size_t Vectors, bool Fetches, typename Lines>
QUANTLAB_AVX512 void accumulateRows(const float* pairs, const float* factors,
                                    std::size_t columns, std::size_t first,
                                    const TileOf<typename Lines::Element>& tile, float* sums) {
  const Lines lines;
  __m512 local[Rows][Vectors];
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t v = 0; v < Vectors; v++)
      local[row][v] = _mm512_mul_ps(_mm512_loadu_ps(sums + row * columns + first + 16 * v),
                                    _mm512_set1_ps(factors[row]));
  for (std::size_t j = 0; j < tile.groups; j++) {
    const std::size_t start = first / 16 * (KvCache::kLinePairs / 2) * Lines::kElements;
    const auto* at = tile.values[j] + start;
    const float* weights = pairs + 8 * j;
    std::size_t key = 0;
    for (; key + 4 <= tile.counts[j]; key += 4, at += Lines::kElements, weights += 2) {
      if constexpr (Fetches)
        fetchQuad<Vectors, Lines>(*tile.ahead, j, start + key / 4 * Lines::kElements);
      addQuad<Rows, Vectors, Lines>(lines, at, weights, local);
    }
    if (key < tile.counts[j])
      addSome<Rows, Vectors, Lines>(lines, at, tile.counts[j] - key, weights, local);
  }
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t v = 0; v < Vectors; v++)
      _mm512_storeu_ps(sums + row * columns + first + 16 * v, local[row][v]);
}

template <std::size_t Vectors, bool Fetches, typename Lines>
QUANTLAB_AVX512 void accumulateSome(std::size_t rows, const float* pairs,
                                    const float* factors, std::size_t columns, std::size_t first,
                                    const TileOf<typename Lines::Element>& tile, float* sums) {
  switch (rows) {
    case 1: return accumulateRows<1, Vectors, Fetches, Lines>(pairs, factors, columns, first, tile, sums);
    case 2: return accumulateRows<2, Vectors, Fetches, Lines>(pairs, factors, columns, first, tile, sums);
    case 3: return accumulateRows<3, Vectors, Fetches, Lines>(pairs, factors, columns, first, tile, sums);
    default: accumulateRows<4, Vectors, Fetches, Lines>(pairs, factors, columns, first, tile, sums);
  }
}

template <std::size_t Vectors, typename Lines>
QUANTLAB_AVX512 void accumulateColumns(const float* pairs, const float* factors,
                                       std::size_t rows, std::size_t columns, std::size_t first,
                                       const TileOf<typename Lines::Element>& tile, float* sums) {
  for (std::size_t row = 0; row < rows; row += 4) {
    const float* weight = pairs + row * kPairStride;
    const float* factor = factors + row;
    float* sum = sums + row * columns;
    if (row == 0 && tile.ahead != nullptr)
      accumulateSome<Vectors, true, Lines>(rows, weight, factor, columns, first, tile, sum);
    else
      accumulateSome<Vectors, false, Lines>(rows - row, weight, factor, columns, first, tile, sum);
  }
}

template <typename Lines>
QUANTLAB_AVX512 void accumulate(const float* weights, const float* factors, std::size_t rows,
                                std::size_t columns, const TileOf<typename Lines::Element>& tile,
                                float* sums) {
  std::size_t first = 0;
  for (; first + 64 <= columns; first += 64)
    accumulateColumns<4, Lines>(weights, factors, rows, columns, first, tile, sums);
  for (; first < columns; first += 16)
    accumulateColumns<1, Lines>(weights, factors, rows, columns, first, tile, sums);
}

QUANTLAB_AVX512 void widen(const std::uint8_t* codes, std::size_t count, bf16* lines) {
  fp8::widenAvx512(codes, count, lines);
}

}  // namespace

const TileLoops avx512TileLoops{{score<StoredLines>, accumulate<StoredLines>},
                                {score<CodedLines>, accumulate<CodedLines>},
                                widen,
                                nullptr,
                                nullptr,
                                1,
                                soften};

}  // namespace quantlab
#endif
