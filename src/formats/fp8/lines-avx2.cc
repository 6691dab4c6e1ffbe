// E4M3 codes with AVX2: to BF16 lines, and for few rows straight to FP32 by shifts.
#include "lines.h"

#if defined(__x86_64__)
#include "decode.h"
#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab::fp8 {
namespace {

QUANTLAB_AVX2 const bf16* lines(const Weight& weight, std::size_t panel, std::size_t firstPair,
                                std::size_t pairs, bf16* scratch) {
  widenAvx2(panelOf(weight, panel) + firstPair / 2 * kCodeBytes, pairs / 2, scratch);
  return scratch;
}

// Columns k and k + 1 of eight outputs: the words of a half line, widened to 32 bits.
QUANTLAB_AVX2 inline __m256 evenCodes(__m256i words) {
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(0x87f00000u));
  return _mm256_castsi256_ps(
      _mm256_and_si256(_mm256_srai_epi32(_mm256_slli_epi32(words, 24), 4), mask));
}

QUANTLAB_AVX2 inline __m256 oddCodes(__m256i words) {
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(0x87f00000u));
  return _mm256_castsi256_ps(
      _mm256_and_si256(_mm256_srai_epi32(_mm256_slli_epi32(words, 16), 4), mask));
}

// A WideTile of `Rows` rows and `Panels` panels.
template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX2 bool tile(const FewRows& product, std::size_t panel, const float* x, float* sums) {
  const std::size_t panelBytes = product.weight.pairs / 2 * kCodeBytes;
  const std::size_t stride = 2 * product.pairs;
  const std::uint8_t* codes = codesOf(product, panel);
  const __m256i magnitude = _mm256_set1_epi8(0x7f);
  __m256i largest = _mm256_setzero_si256();
  __m256 local[Rows][Panels][2];
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
      local[row][j][0] = local[row][j][1] = _mm256_setzero_ps();
  for (std::size_t at = 0; at < product.pairs / 2; at++, codes += kCodeBytes, x += 4) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) {
#pragma GCC unroll 2
      for (std::size_t half = 0; half < 2; half++) {
        // Of each quarter of a line: 4 words of its first pair of columns, then 4 of its second.
        const __m256i bytes = _mm256_loadu_si256(
            reinterpret_cast<const __m256i*>(codes + j * panelBytes + 32 * half));
        largest = _mm256_max_epu8(largest, _mm256_and_si256(bytes, magnitude));
        const __m256i first = _mm256_unpacklo_epi16(bytes, bytes);
        const __m256i second = _mm256_unpackhi_epi16(bytes, bytes);
        const __m256 weights[4] = {evenCodes(first), oddCodes(first), evenCodes(second),
                                   oddCodes(second)};
#pragma GCC unroll 4
        for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
          for (std::size_t k = 0; k < 4; k++)
            local[row][j][half] = _mm256_fmadd_ps(_mm256_broadcast_ss(x + row * stride + k),
                                                  weights[k], local[row][j][half]);
      }
    }
  }
  if (_mm256_movemask_epi8(_mm256_cmpeq_epi8(largest, magnitude)) != 0) return false;
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
#pragma GCC unroll 2
      for (std::size_t half = 0; half < 2; half++)
        _mm256_storeu_ps(sums + row * kQuadRows + kPanelRows * j + 8 * half,
                         _mm256_mul_ps(local[row][j][half], _mm256_set1_ps(kSumFactor)));
  return true;
}

QUANTLAB_AVX2 void few(const FewRows& product, float* sums) {
  // Eight sums in all: they cover the latency of a multiply-add and fit the sixteen registers.
  switch (product.rows) {
    case 1: return sumWideTiles(product, tile<1, 4>, 4, tile<1, 1>, sums);
    case 2: return sumWideTiles(product, tile<2, 2>, 2, tile<2, 1>, sums);
    case 3: return sumWideTiles(product, tile<3, 1>, 1, tile<3, 1>, sums);
    default: return sumWideTiles(product, tile<4, 1>, 1, tile<4, 1>, sums);
  }
}

}  // namespace

const FormatLoops avx2Loops{lines, groupScales, few};

}  // namespace quantlab::fp8
#endif
