// E4M3 codes to BF16 lines: a table of 256 entries, byte tables (AVX-512).
#include "lines.h"

#include <cstring>
#include <vector>

#include "decode.h"

namespace quantlab::fp8 {
namespace {

const bf16* portableLines(const Weight& weight, std::size_t panel, std::size_t firstPair,
                          std::size_t pairs, bf16* scratch) {
  widenPortable(panelOf(weight, panel) + firstPair / 2 * kCodeBytes, pairs / 2, scratch);
  return scratch;
}

#if defined(__x86_64__)
QUANTLAB_AVX512 const bf16* avx512Lines(const Weight& weight, std::size_t panel,
                                        std::size_t firstPair, std::size_t pairs, bf16* scratch) {
  const Decoder tables = decoder();
  const std::uint8_t* codes = panelOf(weight, panel) + firstPair / 2 * kCodeBytes;
  for (std::size_t at = 0; at < pairs / 2; at++) {
    __m512i first;
    __m512i second;
    // The next block of this panel: the stream breaks off here while the rows are multiplied.
    _mm_prefetch(reinterpret_cast<const char*>(codes + (at + pairs / 2) * kCodeBytes), _MM_HINT_T1);
    decode(tables, codes + at * kCodeBytes, &first, &second);
    _mm512_storeu_si512(scratch + 2 * at * kLineElements, first);
    _mm512_storeu_si512(scratch + (2 * at + 1) * kLineElements, second);
  }
  return scratch;
}

QUANTLAB_AVX512 inline __m512 dotPair(__m512 sum, const bf16* pair, __m512i line) {
  int bits;
  std::memcpy(&bits, pair, 4);
  return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(bits), (__m512bh)line);
}

template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX512 void fewTile(const FewRows& product, std::size_t panel, float* sums) {
  const Decoder tables = decoder();
  const std::size_t panelBytes = product.weight.pairs / 2 * kCodeBytes;
  const std::uint8_t* codes = codesOf(product, panel);
  __m512 local[Rows][Panels];
#pragma GCC unroll 6
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) local[row][j] = _mm512_setzero_ps();
  for (std::size_t at = 0; at < product.pairs / 2; at++) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) {
      __m512i first;
      __m512i second;
      decode(tables, codes + j * panelBytes + at * kCodeBytes, &first, &second);
#pragma GCC unroll 6
      for (std::size_t row = 0; row < Rows; row++) {
        const bf16* pair = product.x + row * product.stride + 4 * at;
        local[row][j] = dotPair(local[row][j], pair, first);
        local[row][j] = dotPair(local[row][j], pair + 2, second);
      }
    }
  }
#pragma GCC unroll 6
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
      _mm512_storeu_ps(sums + row * kQuadRows + kPanelRows * j, local[row][j]);
}

template <std::size_t Panels>
QUANTLAB_AVX512 void fewPanels(const FewRows& product, std::size_t panel, float* sums) {
  switch (product.rows) {
    case 1: return fewTile<1, Panels>(product, panel, sums);
    case 2: return fewTile<2, Panels>(product, panel, sums);
    case 3: return fewTile<3, Panels>(product, panel, sums);
    default: return fewTile<4, Panels>(product, panel, sums);
  }
}

QUANTLAB_AVX512 void few(const FewRows& product, float* sums) {
  if (product.panels == kQuadPanels) return fewPanels<kQuadPanels>(product, product.panel, sums);
  for (std::size_t j = 0; j < product.panels; j++)
    fewPanels<1>(product, product.panel + j, sums + kPanelRows * j);
}
#endif

// Rows of x as FP32 times kInputFactor, one after another; valid until the thread's next call.
const float* wideRows(const FewRows& product) {
  thread_local std::vector<float> wide;
  const std::size_t columns = 2 * product.pairs;
  wide.resize(product.rows * columns);
  for (std::size_t row = 0; row < product.rows; row++)
    for (std::size_t k = 0; k < columns; k++)
      wide[row * columns + k] = bf16ToFloat(product.x[row * product.stride + k]) * kInputFactor;
  return wide.data();
}

// One panel, code by code.
void exactPanel(const FewRows& product, std::size_t panel, float* sums) {
  const std::uint8_t* codes = codesOf(product, panel);
  for (std::size_t row = 0; row < product.rows; row++) {
    float* target = sums + row * kQuadRows;
    std::memset(target, 0, kPanelRows * sizeof(float));
    for (std::size_t k = 0; k < 2 * product.pairs; k++) {
      const float value = bf16ToFloat(product.x[row * product.stride + k]);
      // The product of two codes is an FP32 number: only the sum rounds.
      for (std::size_t lane = 0; lane < kPanelRows; lane++)
        target[lane] += value * bf16ToFloat(decoded[codes[byteOf(lane, k)]]);
    }
  }
}

}  // namespace

void sumWideTiles(const FewRows& product, WideTile tile, std::size_t width, WideTile single, float* sums) {
  const float* x = wideRows(product);
  for (std::size_t j = 0; j < product.panels;) {
    const std::size_t count = j + width <= product.panels ? width : 1;
    float* target = sums + kPanelRows * j;
    const bool done = (count == width ? tile : single)(product, product.panel + j, x, target);
    for (std::size_t i = 0; !done && i < count; i++)
      exactPanel(product, product.panel + j + i, target + kPanelRows * i);
    j += count;
  }
}

void groupScales(const Weight& weight, std::size_t panel, std::size_t group, float* scales) {
  const float* stored = weight.scales.as<float>() + (panel * weight.groups() + group) * kPanelRows;
  std::memcpy(scales, stored, kPanelRows * sizeof(float));
}

const FormatLoops portableLoops{portableLines, groupScales, nullptr};
#if defined(__x86_64__)
const FormatLoops avx512Loops{avx512Lines, groupScales, few};
#endif

}  // namespace quantlab::fp8
