// INT4 codes to BF16 lines: code minus zero is a whole number from -15 to 15, looked up in a table.
#include "lines.h"

#include <array>
#include <cstring>

#include "dispatch.h"
#include "float16.h"
#include "intrinsics.h"

namespace quantlab::awq {
namespace {

// BF16 of -16 .. 15, at the low five bits of the number.
struct NumberTable {
  alignas(64) bf16 values[32];
};
const NumberTable numbers = [] {
  NumberTable table{};
  for (int number = -16; number < 16; number++)
    table.values[number & 31] = floatToBf16(static_cast<float>(number));
  return table;
}();

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
const FormatLoops avx2Loops{avx2Lines, groupScales, nullptr};
const FormatLoops avx512Loops{avx512Lines, groupScales, few};
#endif

}  // namespace quantlab::awq
