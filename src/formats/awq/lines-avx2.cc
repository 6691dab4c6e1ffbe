// INT4 codes with AVX2: to BF16 lines, and for few rows straight to FP32 inside a large number's mantissa.
#include "lines.h"

#if defined(__x86_64__)
#include <vector>

#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab::awq {
namespace {

// BF16 of 16 numbers from -15 to 15: the magnitude's low and high byte from a table each.
QUANTLAB_AVX2 inline __m256i avx2Numbers(__m256i values, __m256i lowTable, __m256i highTable) {
  const __m256i magnitude = _mm256_abs_epi16(values);
  const __m256i low = _mm256_shuffle_epi8(lowTable, magnitude);
  const __m256i high = _mm256_shuffle_epi8(highTable, _mm256_slli_epi16(magnitude, 8));
  const __m256i sign = _mm256_and_si256(values, _mm256_set1_epi16(static_cast<short>(0x8000)));
  return _mm256_or_si256(_mm256_or_si256(low, high), sign);
}

QUANTLAB_AVX2 const bf16* avx2Lines(const Weight& weight, std::size_t panel, std::size_t firstPair,
                                    std::size_t pairs, bf16* scratch) {
  alignas(16) std::uint8_t low[16];
  alignas(16) std::uint8_t high[16];
  for (std::size_t i = 0; i < 16; i++) {
    low[i] = static_cast<std::uint8_t>(numbers.values[i]);
    high[i] = static_cast<std::uint8_t>(numbers.values[i] >> 8);
  }
  const __m256i lowTable =
      _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(low)));
  const __m256i highTable =
      _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(high)));
  const __m256i nibble = _mm256_set1_epi16(15);
  const std::size_t groupPairs = weight.groupSize / 2;
  for (std::size_t begin = firstPair; begin < firstPair + pairs; begin += groupPairs) {
    const std::uint8_t* zeros = zerosOf(weight, panel, begin / groupPairs);
    alignas(32) std::uint16_t zero[kLineElements];
    for (std::size_t i = 0; i < kLineElements; i++)
      zero[i] = static_cast<std::uint16_t>(zeroOf(zeros, i / 2));
    for (std::size_t half = 0; half < 2; half++) {
      const __m256i zeroWords =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(zero + 16 * half));
      for (std::size_t pair = begin; pair < begin + groupPairs; pair += 4) {
        __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(
            panelOf(weight, panel) + pair / 4 * kLineElements + 16 * half));
        for (std::size_t j = 0; j < 4; j++, codes = _mm256_srli_epi16(codes, 4)) {
          const __m256i values = _mm256_sub_epi16(_mm256_and_si256(codes, nibble), zeroWords);
          bf16* line = scratch + (pair + j - firstPair) * kLineElements + 16 * half;
          _mm256_storeu_si256(reinterpret_cast<__m256i*>(line),
                              avx2Numbers(values, lowTable, highTable));
        }
      }
    }
  }
  return scratch;
}

// Nibble n of a lane, where it stands, is the end of the mantissa of 2^(23 - 4 n) plus itself.
constexpr float kBases[4] = {0x1p23f, 0x1p19f, 0x1p15f, 0x1p11f};

template <std::size_t Nibble>
QUANTLAB_AVX2 inline __m256 raised(__m256i lanes) {
  const __m256 code = _mm256_castsi256_ps(_mm256_and_si256(lanes, _mm256_set1_epi32(15 << (4 * Nibble))));
  return _mm256_or_ps(code, _mm256_set1_ps(kBases[Nibble]));
}

// sum += x * (code - zero) for the nibble's two columns; zeros hold base plus zero, so that the difference
// is exact. x [Rows] at the even column.
template <std::size_t Rows, std::size_t Nibble>
QUANTLAB_AVX2 inline void addPair(__m256i even, __m256i odd, const __m256* zeros, const float* x,
                                  std::size_t stride, __m256* sums, std::size_t next) {
  const __m256 evens = _mm256_sub_ps(raised<Nibble>(even), zeros[Nibble]);
  const __m256 odds = _mm256_sub_ps(raised<Nibble>(odd), zeros[Nibble]);
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++) {
    const float* at = x + row * stride + 2 * Nibble;
    sums[row * next] = _mm256_fmadd_ps(_mm256_broadcast_ss(at), evens, sums[row * next]);
    sums[row * next] = _mm256_fmadd_ps(_mm256_broadcast_ss(at + 1), odds, sums[row * next]);
  }
}

// Base plus zero of 16 outputs, for each nibble: [half][nibble].
QUANTLAB_AVX2 inline void raiseZeros(const std::uint8_t* packed, __m256 (&zeros)[2][4]) {
  alignas(32) float values[kPanelRows];
  for (std::size_t output = 0; output < kPanelRows; output++)
    values[output] = static_cast<float>(zeroOf(packed, output));
#pragma GCC unroll 2
  for (std::size_t half = 0; half < 2; half++)
#pragma GCC unroll 4
    for (std::size_t n = 0; n < 4; n++)
      zeros[half][n] = _mm256_add_ps(_mm256_load_ps(values + 8 * half), _mm256_set1_ps(kBases[n]));
}

// total += scale * (x . codes of one group).
template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX2 inline void addGroup(const Weight& weight, std::size_t panel, std::size_t group,
                                   const float* x, std::size_t stride,
                                   __m256 (&total)[Rows][Panels][2]) {
  const std::size_t panelWords = weight.pairs / 4 * kLineElements;
  const std::size_t groupLines = weight.groupSize / kCodeColumns;
  const std::uint16_t* codes = panelOf(weight, panel) + group * groupLines * kLineElements;
  __m256 zeros[Panels][2][4];
  __m256 local[Rows][Panels][2];
#pragma GCC unroll 4
  for (std::size_t j = 0; j < Panels; j++) {
    raiseZeros(zerosOf(weight, panel + j, group), zeros[j]);
#pragma GCC unroll 4
    for (std::size_t row = 0; row < Rows; row++)
      local[row][j][0] = local[row][j][1] = _mm256_setzero_ps();
  }
  for (std::size_t at = 0; at < groupLines; at++, codes += kLineElements, x += kCodeColumns) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) {
#pragma GCC unroll 2
      for (std::size_t half = 0; half < 2; half++) {
        const __m256i even = _mm256_loadu_si256(
            reinterpret_cast<const __m256i*>(codes + j * panelWords + 16 * half));
        const __m256i odd = _mm256_srli_epi32(even, 16);
        __m256* sums = &local[0][j][half];
        addPair<Rows, 0>(even, odd, zeros[j][half], x, stride, sums, 2 * Panels);
        addPair<Rows, 1>(even, odd, zeros[j][half], x, stride, sums, 2 * Panels);
        addPair<Rows, 2>(even, odd, zeros[j][half], x, stride, sums, 2 * Panels);
        addPair<Rows, 3>(even, odd, zeros[j][half], x, stride, sums, 2 * Panels);
      }
    }
  }
#pragma GCC unroll 4
  for (std::size_t j = 0; j < Panels; j++) {
#pragma GCC unroll 2
    for (std::size_t half = 0; half < 2; half++) {
      const __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128(
          reinterpret_cast<const __m128i*>(scalesOf(weight, panel + j, group) + 8 * half)));
#pragma GCC unroll 4
      for (std::size_t row = 0; row < Rows; row++)
        total[row][j][half] = _mm256_fmadd_ps(scale, local[row][j][half], total[row][j][half]);
    }
  }
}

template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX2 void tile(const Weight& weight, std::size_t panel, const float* x, std::size_t stride,
                        float* sums) {
  __m256 total[Rows][Panels][2];
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
      total[row][j][0] = total[row][j][1] = _mm256_setzero_ps();
  for (std::size_t group = 0; group < weight.groups(); group++)
    addGroup<Rows, Panels>(weight, panel, group, x + group * weight.groupSize, stride, total);
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
#pragma GCC unroll 2
      for (std::size_t half = 0; half < 2; half++)
        _mm256_storeu_ps(sums + row * kQuadRows + kPanelRows * j + 8 * half, total[row][j][half]);
}

template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX2 void tiles(const Weight& weight, std::size_t panel, std::size_t panels, const float* x,
                         std::size_t stride, float* sums) {
  std::size_t j = 0;
  for (; j + Panels <= panels; j += Panels)
    tile<Rows, Panels>(weight, panel + j, x, stride, sums + kPanelRows * j);
  for (; j < panels; j++) tile<Rows, 1>(weight, panel + j, x, stride, sums + kPanelRows * j);
}

QUANTLAB_AVX2 void few(const Weight& weight, std::size_t panel, std::size_t panels, const bf16* x,
                       std::size_t stride, std::size_t rows, float* sums) {
  thread_local std::vector<float> wide;
  const std::size_t columns = weight.columns;
  wide.resize(rows * columns);
  for (std::size_t row = 0; row < rows; row++)
    for (std::size_t k = 0; k < columns; k++)
      wide[row * columns + k] = bf16ToFloat(x[row * stride + k]);
  const float* from = wide.data();
  switch (rows) {
    case 1: return tiles<1, 2>(weight, panel, panels, from, columns, sums);
    case 2: return tiles<2, 1>(weight, panel, panels, from, columns, sums);
    case 3: return tiles<3, 1>(weight, panel, panels, from, columns, sums);
    default: return tiles<4, 1>(weight, panel, panels, from, columns, sums);
  }
}

}  // namespace

const FormatLoops avx2Loops{avx2Lines, groupScales, few};

}  // namespace quantlab::awq
#endif
