// E4M3 codes with AVX2: to BF16 lines, and for few rows straight to FP32 by shifts.
#include "lines.h"

#if defined(__x86_64__)
#include <cstring>
#include <vector>

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

// The four exponent and three mantissa bits of a code in the places of FP32's give the value times
// 2^-120, codes without an exponent included. x is multiplied by 2^112, which its largest, 448, allows,
// and sums by 2^8: all exact, so that the bits are those of the path over lines.
constexpr float kInputFactor = 0x1p112f;
constexpr float kSumFactor = 0x1p8f;

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

// `Rows` rows of x (FP32, a multiple of four columns, `stride` apart) against `Panels` panels. False,
// and no sums, when a code is NaN: shifts would make a number of it.
template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX2 bool tile(const Weight& weight, std::size_t panel, const float* x, std::size_t stride,
                        float* sums) {
  const std::size_t panelBytes = weight.pairs / 2 * kCodeBytes;
  const std::uint8_t* codes = panelOf(weight, panel);
  const __m256i magnitude = _mm256_set1_epi8(0x7f);
  __m256i largest = _mm256_setzero_si256();
  __m256 local[Rows][Panels][2];
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
      local[row][j][0] = local[row][j][1] = _mm256_setzero_ps();
  for (std::size_t at = 0; at < weight.pairs / 2; at++, codes += kCodeBytes, x += 4) {
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

// Over decoded lines, for panels with a NaN.
QUANTLAB_AVX2 void slowPanel(const Weight& weight, std::size_t panel, const float* x,
                             std::size_t stride, std::size_t rows, float* sums) {
  for (std::size_t row = 0; row < rows; row++) {
    float* target = sums + row * kQuadRows;
    std::memset(target, 0, kPanelRows * sizeof(float));
    for (std::size_t k = 0; k < 2 * weight.pairs; k++)
      for (std::size_t lane = 0; lane < kPanelRows; lane++)
        target[lane] =
            __builtin_fmaf(x[row * stride + k] / kInputFactor,
                           bf16ToFloat(decoded[panelOf(weight, panel)[byteOf(lane, k)]]), target[lane]);
  }
}

template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX2 void tiles(const Weight& weight, std::size_t panel, std::size_t panels, const float* x,
                         std::size_t stride, float* sums) {
  std::size_t j = 0;
  while (j < panels) {
    const std::size_t count = j + Panels <= panels ? Panels : 1;
    float* target = sums + kPanelRows * j;
    const bool done = count == Panels
                          ? tile<Rows, Panels>(weight, panel + j, x, stride, target)
                          : tile<Rows, 1>(weight, panel + j, x, stride, target);
    for (std::size_t i = 0; !done && i < count; i++)
      slowPanel(weight, panel + j + i, x, stride, Rows, target + kPanelRows * i);
    j += count;
  }
}

QUANTLAB_AVX2 void few(const Weight& weight, std::size_t panel, std::size_t panels, const bf16* x,
                       std::size_t stride, std::size_t rows, float* sums) {
  thread_local std::vector<float> wide;
  const std::size_t columns = 2 * weight.pairs;
  wide.resize(rows * columns);
  for (std::size_t row = 0; row < rows; row++)
    for (std::size_t k = 0; k < columns; k++)
      wide[row * columns + k] = bf16ToFloat(x[row * stride + k]) * kInputFactor;
  const float* from = wide.data();
  // Eight sums in all: they cover the latency of a multiply-add and fit the sixteen registers.
  switch (rows) {
    case 1: return tiles<1, 4>(weight, panel, panels, from, columns, sums);
    case 2: return tiles<2, 2>(weight, panel, panels, from, columns, sums);
    case 3: return tiles<3, 1>(weight, panel, panels, from, columns, sums);
    default: return tiles<4, 1>(weight, panel, panels, from, columns, sums);
  }
}

}  // namespace

const FormatLoops avx2Loops{lines, groupScales, few};

}  // namespace quantlab::fp8
#endif
