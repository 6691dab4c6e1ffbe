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

// `Rows` queries against all groups: Rows * 4 sums stay in registers. A row's arithmetic is the same
// whatever Rows is.
template <std::size_t Rows, typename Lines>
QUANTLAB_AVX512 void scoreRows(const bf16* queries, const QueryRows& all,
                               const typename Lines::Element* const* keys, float* scores) {
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
#pragma GCC unroll 4
      for (std::size_t row = 0; row < Rows; row++) {
        const bf16* query = queries + row * all.stride + 4 * at;
        sums[row][j] = dotPair(sums[row][j], query, first);
        sums[row][j] = dotPair(sums[row][j], query + 2, second);
      }
    }
  }
  if (pairs % 2 != 0) {
    for (std::size_t j = 0; j < kTileGroups; j++) {
      const auto* at = keys[j] + pairs / 2 * Lines::kElements;
      __m512i last;
      __m512i beyond;
      // The line beyond the last one is another group's, or nobody's memory.
      if constexpr (std::is_same_v<Lines, CodedLines>) lines.load(at, &last, &beyond);
      else last = _mm512_loadu_si512(at);
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

template <typename Lines>
QUANTLAB_AVX512 void score(const QueryRows& queries, const TileOf<typename Lines::Element>& tile,
                           float* scores) {
  // Missing groups repeat the first one; their scores are never read.
  const typename Lines::Element* keys[kTileGroups];
  for (std::size_t j = 0; j < kTileGroups; j++) keys[j] = tile.keys[j < tile.groups ? j : 0];
  for (std::size_t row = 0; row < queries.rows; row += 4) {
    const bf16* data = queries.data + row * queries.stride;
    float* target = scores + row * kTileKeys;
    switch (queries.rows - row) {
      case 1: scoreRows<1, Lines>(data, queries, keys, target); break;
      case 2: scoreRows<2, Lines>(data, queries, keys, target); break;
      case 3: scoreRows<3, Lines>(data, queries, keys, target); break;
      default: scoreRows<4, Lines>(data, queries, keys, target);
    }
  }
}

// e^x of x <= 0, 0 below -87.3; NaN stays NaN. Cephes' polynomial, as in exponential.h.
QUANTLAB_AVX512 inline __m512 exponential(__m512 x) {
  const __mmask16 counts = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.3f), _CMP_NLT_UQ);
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341f)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.9875691500e-4f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
  p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
  return _mm512_maskz_scalef_ps(counts, p, n);
}

QUANTLAB_AVX512 inline __m512 roundToBf16(__m512 x) {
  const __m512bh pairs = _mm512_cvtne2ps_pbh(x, x);
  const __m256i half = _mm512_castsi512_si256((__m512i)pairs);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

QUANTLAB_AVX512 float soften(float* scores, float scale, float* maximum, float* sum) {
  const __m512 factor = _mm512_set1_ps(scale);
  __m512 scaled[kTileGroups];
#pragma GCC unroll 4
  for (std::size_t j = 0; j < kTileGroups; j++)
    scaled[j] = _mm512_mul_ps(_mm512_loadu_ps(scores + 16 * j), factor);
  const __m512 best =
      _mm512_max_ps(_mm512_max_ps(scaled[0], scaled[1]), _mm512_max_ps(scaled[2], scaled[3]));
  const float before = *maximum;
  const float found = _mm512_reduce_max_ps(best);
  const float top = found > before ? found : before;
  // A row that sees nothing yet: weights 0, not exp(-inf + inf).
  const float shift = top == -std::numeric_limits<float>::infinity() ? 0.0f : top;
  const __m512 shifts = _mm512_set1_ps(shift);
  __m512 total = _mm512_setzero_ps();
#pragma GCC unroll 4
  for (std::size_t j = 0; j < kTileGroups; j++) {
    const __m512 weight = roundToBf16(exponential(_mm512_sub_ps(scaled[j], shifts)));
    _mm512_storeu_ps(scores + 16 * j, weight);
    total = _mm512_add_ps(total, weight);
  }
  const float keep = top == before ? 1.0f : quantlab::exponential(before - shift);
  *maximum = top;
  *sum = *sum * keep + _mm512_reduce_add_ps(total);
  return keep;
}

// A tile's weights as BF16 pairs, which they hold exactly: pairs[row * kTileKeys / 2 + p].
struct WeightPairs {
  alignas(64) std::uint32_t pairs[kTileRows * kTileKeys / 2];
};

QUANTLAB_AVX512 void packWeights(const float* weights, std::size_t rows, WeightPairs* packed) {
  for (std::size_t at = 0; at < rows * kTileKeys; at += 32) {
    const __m512bh both =
        _mm512_cvtne2ps_pbh(_mm512_loadu_ps(weights + at + 16), _mm512_loadu_ps(weights + at));
    _mm512_store_si512(packed->pairs + at / 2, (__m512i)both);
  }
}

// `Vectors` lines of a pair of keys, side by side, times the pair's weights.
template <std::size_t Rows, std::size_t Vectors>
QUANTLAB_AVX512 inline void addLines(const __m512i (&lines)[Vectors], const std::uint32_t* pairs,
                                     __m512 (&sums)[Rows][Vectors]) {
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++) {
    const __m512i weights = _mm512_set1_epi32(static_cast<int>(pairs[row * kTileKeys / 2]));
#pragma GCC unroll 4
    for (std::size_t v = 0; v < Vectors; v++)
      sums[row][v] = _mm512_dpbf16_ps(sums[row][v], (__m512bh)weights, (__m512bh)lines[v]);
  }
}

// Two pairs of keys.
template <std::size_t Rows, std::size_t Vectors, typename Lines>
QUANTLAB_AVX512 inline void addQuad(const Lines& lines, const typename Lines::Element* at,
                                    const std::uint32_t* pairs, __m512 (&sums)[Rows][Vectors]) {
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
                                    std::size_t count, const std::uint32_t* pairs,
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

template <std::size_t Rows, std::size_t Vectors, typename Lines>
QUANTLAB_AVX512 void accumulateRows(const std::uint32_t* pairs, const float* factors,
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
    const auto* at = tile.values[j] + first / 16 * (KvCache::kLinePairs / 2) * Lines::kElements;
    const std::uint32_t* weights = pairs + 8 * j;
    std::size_t key = 0;
    for (; key + 4 <= tile.counts[j]; key += 4, at += Lines::kElements, weights += 2)
      addQuad<Rows, Vectors, Lines>(lines, at, weights, local);
    if (key < tile.counts[j])
      addSome<Rows, Vectors, Lines>(lines, at, tile.counts[j] - key, weights, local);
  }
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t v = 0; v < Vectors; v++)
      _mm512_storeu_ps(sums + row * columns + first + 16 * v, local[row][v]);
}

template <std::size_t Vectors, typename Lines>
QUANTLAB_AVX512 void accumulateColumns(const WeightPairs& packed, const float* factors,
                                       std::size_t rows, std::size_t columns, std::size_t first,
                                       const TileOf<typename Lines::Element>& tile, float* sums) {
  for (std::size_t row = 0; row < rows; row += 4) {
    const std::uint32_t* weight = packed.pairs + row * kTileKeys / 2;
    const float* factor = factors + row;
    float* sum = sums + row * columns;
    switch (rows - row) {
      case 1: accumulateRows<1, Vectors, Lines>(weight, factor, columns, first, tile, sum); break;
      case 2: accumulateRows<2, Vectors, Lines>(weight, factor, columns, first, tile, sum); break;
      case 3: accumulateRows<3, Vectors, Lines>(weight, factor, columns, first, tile, sum); break;
      default: accumulateRows<4, Vectors, Lines>(weight, factor, columns, first, tile, sum);
    }
  }
}

template <typename Lines>
QUANTLAB_AVX512 void accumulate(const float* weights, const float* factors, std::size_t rows,
                                std::size_t columns, const TileOf<typename Lines::Element>& tile,
                                float* sums) {
  WeightPairs packed;
  packWeights(weights, rows, &packed);
  std::size_t first = 0;
  for (; first + 64 <= columns; first += 64)
    accumulateColumns<4, Lines>(packed, factors, rows, columns, first, tile, sums);
  for (; first < columns; first += 16)
    accumulateColumns<1, Lines>(packed, factors, rows, columns, first, tile, sums);
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
                                true,
                                soften};

}  // namespace quantlab
#endif
