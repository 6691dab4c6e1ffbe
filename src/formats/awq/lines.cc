// INT4 codes to BF16 lines: code minus zero is a whole number from -15 to 15, looked up in a table.
#include "lines.h"

#include <array>
#include <cstring>

#include "dispatch.h"
#include "float16.h"
#include "intrinsics.h"

namespace quantlab::awq {
namespace {

QUANTLAB_BODY void widenScalesBody(const std::uint16_t* bits, float* scales) {
  for (std::size_t i = 0; i < kPanelRows; i++) scales[i] = f16ToFloat(bits[i]);
}
QUANTLAB_VARIANTS(void, widenScales, (const std::uint16_t* bits, float* scales), (bits, scales));

const bf16* portableLines(const Weight& weight, std::size_t panel, std::size_t firstPair,
                          std::size_t pairs, bf16* scratch) {
  const std::size_t groupPairs = weight.groupSize / 2;
  for (std::size_t pair = firstPair; pair < firstPair + pairs; pair++) {
    const std::uint8_t* zeros = zerosOf(weight, panel, pair / groupPairs);
    const std::uint16_t* codes = panelOf(weight, panel) + pair / 4 * kLineElements;
    bf16* line = scratch + (pair - firstPair) * kLineElements;
    for (std::size_t i = 0; i < kLineElements; i++) {
      const unsigned code = codes[i] >> (pair % 4 * 4) & 15u;
      line[i] = numbers.values[(code - zeroOf(zeros, i / 2)) & 31u];
    }
  }
  return scratch;
}

#if defined(__x86_64__)
// A group's zero points, each in the four bytes of its output.
QUANTLAB_AVX512 inline __m512i zeroBytes(const std::uint8_t* zeros) {
  std::uint32_t halves[2];
  std::memcpy(halves, zeros, 8);
  const __m512i packed = _mm512_mask_blend_epi32(0xff00, _mm512_set1_epi32(static_cast<int>(halves[0])),
                                                 _mm512_set1_epi32(static_cast<int>(halves[1])));
  const __m512i shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  const __m512i nibbles = _mm512_and_si512(_mm512_srlv_epi32(packed, shifts), _mm512_set1_epi32(15));
  const __m512i firstBytes = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12));
  return _mm512_shuffle_epi8(nibbles, firstBytes);
}

struct FourLines {
  __m512i line[4];
};

// The BF16 lines of a line of codes: zeros are subtracted in bytes, two lines at once, and the lookup
// reads the low five bits of each word.
QUANTLAB_AVX512 inline FourLines decode(const std::uint16_t* source, __m512i zeros, __m512i table) {
  __m512i codes = _mm512_loadu_si512(source);
  // Loaded once: the compiler would read it from memory again for each use.
  asm("" : "+v"(codes));
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i even = _mm512_sub_epi8(_mm512_and_si512(codes, nibble), zeros);
  const __m512i odd =
      _mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble), zeros);
  return {{_mm512_permutexvar_epi16(even, table), _mm512_permutexvar_epi16(odd, table),
           _mm512_permutexvar_epi16(_mm512_srli_epi16(even, 8), table),
           _mm512_permutexvar_epi16(_mm512_srli_epi16(odd, 8), table)}};
}

QUANTLAB_AVX512 const bf16* avx512Lines(const Weight& weight, std::size_t panel,
                                        std::size_t firstPair, std::size_t pairs, bf16* scratch) {
  const __m512i table = _mm512_load_si512(numbers.values);
  const std::size_t groupPairs = weight.groupSize / 2;
  for (std::size_t begin = firstPair; begin < firstPair + pairs; begin += groupPairs) {
    const __m512i zeros = zeroBytes(zerosOf(weight, panel, begin / groupPairs));
    for (std::size_t pair = begin; pair < begin + groupPairs; pair += 4) {
      const std::uint16_t* codes = panelOf(weight, panel) + pair / 4 * kLineElements;
      // The next block of this panel: the stream breaks off here while the rows are multiplied.
      _mm_prefetch(reinterpret_cast<const char*>(codes + pairs / 4 * kLineElements), _MM_HINT_T1);
      const FourLines four = decode(codes, zeros, table);
      bf16* line = scratch + (pair - firstPair) * kLineElements;
      for (std::size_t i = 0; i < 4; i++)
        _mm512_storeu_si512(line + i * kLineElements, four.line[i]);
    }
  }
  return scratch;
}

QUANTLAB_AVX512 inline __m512 dotPair(__m512 sum, const bf16* pair, __m512i line) {
  int bits;
  std::memcpy(&bits, pair, 4);
  return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(bits), (__m512bh)line);
}

// total += scale * (x . codes of one group).
template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX512 inline void addGroup(const Weight& weight, std::size_t panel, std::size_t group,
                                     const bf16* x, std::size_t stride,
                                     __m512 (&total)[Rows][Panels]) {
  const __m512i table = _mm512_load_si512(numbers.values);
  const std::size_t panelWords = weight.pairs / 4 * kLineElements;
  const std::size_t groupLines = weight.groupSize / kCodeColumns;
  const std::uint16_t* codes = panelOf(weight, panel) + group * groupLines * kLineElements;
  __m512i zeros[Panels];
  __m512 local[Rows][Panels];
#pragma GCC unroll 4
  for (std::size_t j = 0; j < Panels; j++) {
    zeros[j] = zeroBytes(zerosOf(weight, panel + j, group));
#pragma GCC unroll 4
    for (std::size_t row = 0; row < Rows; row++) local[row][j] = _mm512_setzero_ps();
  }
  for (std::size_t at = 0; at < groupLines; at++, codes += kLineElements, x += kCodeColumns) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) {
      const FourLines four = decode(codes + j * panelWords, zeros[j], table);
#pragma GCC unroll 4
      for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
        for (std::size_t i = 0; i < 4; i++)
          local[row][j] = dotPair(local[row][j], x + row * stride + 2 * i, four.line[i]);
    }
  }
#pragma GCC unroll 4
  for (std::size_t j = 0; j < Panels; j++) {
    const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256(
        reinterpret_cast<const __m256i*>(scalesOf(weight, panel + j, group))));
#pragma GCC unroll 4
    for (std::size_t row = 0; row < Rows; row++)
      total[row][j] = _mm512_fmadd_ps(scale, local[row][j], total[row][j]);
  }
}

template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX512 void fewTile(const Weight& weight, std::size_t panel, const bf16* x,
                             std::size_t stride, float* sums) {
  __m512 total[Rows][Panels];
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) total[row][j] = _mm512_setzero_ps();
  for (std::size_t group = 0; group < weight.groups(); group++)
    addGroup<Rows, Panels>(weight, panel, group, x + group * weight.groupSize, stride, total);
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
      _mm512_storeu_ps(sums + row * kQuadRows + kPanelRows * j, total[row][j]);
}

template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX512 void fewTiles(const Weight& weight, std::size_t panel, std::size_t panels,
                              const bf16* x, std::size_t stride, float* sums) {
  std::size_t j = 0;
  for (; j + Panels <= panels; j += Panels)
    fewTile<Rows, Panels>(weight, panel + j, x, stride, sums + kPanelRows * j);
  for (; j < panels; j++) fewTile<Rows, 1>(weight, panel + j, x, stride, sums + kPanelRows * j);
}

// Rows times panels is at most 8: each needs a sum of the group and a total.
QUANTLAB_AVX512 void few(const Weight& weight, std::size_t panel, std::size_t panels, const bf16* x,
                         std::size_t stride, std::size_t rows, float* sums) {
  switch (rows) {
    case 1: return fewTiles<1, 4>(weight, panel, panels, x, stride, sums);
    case 2: return fewTiles<2, 4>(weight, panel, panels, x, stride, sums);
    case 3: return fewTiles<3, 2>(weight, panel, panels, x, stride, sums);
    default: return fewTiles<4, 2>(weight, panel, panels, x, stride, sums);
  }
}
#endif

}  // namespace

void groupScales(const Weight& weight, std::size_t panel, std::size_t group, float* scales) {
  widenScales(scalesOf(weight, panel, group), scales);
}

const FormatLoops portableLoops{portableLines, groupScales, nullptr};
#if defined(__x86_64__)
const FormatLoops avx512Loops{avx512Lines, groupScales, few};
#endif

}  // namespace quantlab::awq
