// Products in whole numbers with AVX2: `vpmaddubsw` adds two products in 16 bits, and is exact where it cannot
// saturate.
#include "product-integer.h"

#if defined(__x86_64__)
#include <cstring>

#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab {
namespace {

constexpr std::size_t kHalfLine = kByteLine / 2;  // 8 outputs
// Lines of nibbles until sums of 16 bits could overflow: 4 * 2 * 2 products of at most 15 * 127. A multiple of
// them is a group.
constexpr std::size_t kNarrowLines = 4;
static_assert(kNarrowLines * 4 * 15 * 127 < 32768);

QUANTLAB_AVX2 inline __m256i fourDigits(const std::int8_t* digits) {
  int bits;
  std::memcpy(&bits, digits, kStepColumns);
  return _mm256_set1_epi32(bits);
}

QUANTLAB_AVX2 inline __m256i load(const std::uint8_t* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}

// sums += 8 columns: low nibbles times the first four digits, high ones times those 8 bytes further.
QUANTLAB_AVX2 inline __m256i addEight(__m256i sums, __m256i low, __m256i high,
                                      const std::int8_t* digits) {
  const __m256i first = _mm256_maddubs_epi16(low, fourDigits(digits));
  const __m256i second = _mm256_maddubs_epi16(high, fourDigits(digits + 2 * kStepColumns));
  return _mm256_add_epi16(sums, _mm256_add_epi16(first, second));
}

// `Rows` rows of x and `Halves` halves of a panel's lines.
template <std::size_t Rows, std::size_t Halves>
struct Sums {
  __m256i of[Rows][Halves];
};

// kNarrowLines lines: 128 * high + low digits' sums, widened.
template <std::size_t Rows, std::size_t Halves>
QUANTLAB_AVX2 inline void addLines(const std::uint8_t* line, const std::int8_t* x, std::size_t stride,
                                   Sums<Rows, Halves>& sums) {
  const __m256i nibble = _mm256_set1_epi8(15);
  Sums<Rows, Halves> high;
  Sums<Rows, Halves> low;
#pragma GCC unroll 4
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 2
    for (std::size_t h = 0; h < Halves; h++) high.of[r][h] = low.of[r][h] = _mm256_setzero_si256();
  // Not unrolled: the compiler would hold all products at once, and spill them.
#pragma GCC unroll 1
  for (std::size_t i = 0; i < kNarrowLines; i++, line += kByteLine, x += kNibbleDigits) {
#pragma GCC unroll 2
    for (std::size_t h = 0; h < Halves; h++) {
      __m256i both = load(line + h * kHalfLine);
      // Loaded once: the compiler would read it from memory again for each use.
      asm("" : "+x"(both));
      const __m256i first = _mm256_and_si256(both, nibble);
      const __m256i second = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; r++) {
        const std::int8_t* digits = x + r * stride;
        high.of[r][h] = addEight(high.of[r][h], first, second, digits);
        low.of[r][h] = addEight(low.of[r][h], first, second, digits + kStepColumns);
      }
    }
  }
#pragma GCC unroll 4
  for (std::size_t r = 0; r < Rows; r++) {
#pragma GCC unroll 2
    for (std::size_t h = 0; h < Halves; h++) {
      const __m256i upper = _mm256_madd_epi16(high.of[r][h], _mm256_set1_epi16(128));
      const __m256i lower = _mm256_madd_epi16(low.of[r][h], _mm256_set1_epi16(1));
      sums.of[r][h] = _mm256_add_epi32(sums.of[r][h], _mm256_add_epi32(upper, lower));
    }
  }
}

// 8 zero points from the four bytes of half a panel.
QUANTLAB_AVX2 inline __m256i zerosOf(const std::uint8_t* zeros) {
  int bits;
  std::memcpy(&bits, zeros, 4);
  const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
  return _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(bits), shifts), _mm256_set1_epi32(15));
}

// Halves [half, half + Halves) of a panel in one group.
template <std::size_t Rows, std::size_t Halves>
QUANTLAB_AVX2 inline void addGroup(const GroupBlock& block, std::size_t panel, std::size_t half,
                                   std::size_t group, std::size_t row, float* sums) {
  const std::size_t count = block.lines.count;
  const std::uint8_t* line = block.lines.first + panel * block.lines.panelStride +
                             group * count * kByteLine + half * kHalfLine;
  const std::int8_t* x = block.x.first + row * block.x.stride + group * count * kNibbleDigits;
  Sums<Rows, Halves> whole;
#pragma GCC unroll 4
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 2
    for (std::size_t h = 0; h < Halves; h++) whole.of[r][h] = _mm256_setzero_si256();
  for (std::size_t i = 0; i < count; i += kNarrowLines)
    addLines<Rows, Halves>(line + i * kByteLine, x + i * kNibbleDigits, block.x.stride, whole);
  const std::size_t own = panel * block.weightGroups + group;
#pragma GCC unroll 2
  for (std::size_t h = 0; h < Halves; h++) {
    const std::size_t lane = (half + h) * 8;
    const __m256i zeros = zerosOf(block.zeros + (own * kPanelRows + lane) / 2);
    const __m256 scales = _mm256_cvtph_ps(_mm_loadu_si128(
        reinterpret_cast<const __m128i*>(block.scales + own * kPanelRows + lane)));
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; r++) {
      const std::size_t ofX = (row + r) * block.weightGroups + group;
      const __m256i exact = _mm256_sub_epi32(
          whole.of[r][h], _mm256_mullo_epi32(zeros, _mm256_set1_epi32(block.xSums[ofX])));
      const __m256 sum =
          _mm256_mul_ps(_mm256_cvtepi32_ps(exact), _mm256_set1_ps(block.xScales[ofX]));
      float* target = sums + (row + r) * kQuadRows + panel * kPanelRows + lane;
      _mm256_storeu_ps(target, _mm256_add_ps(_mm256_loadu_ps(target), _mm256_mul_ps(sum, scales)));
    }
  }
}

// One or two rows take both halves of a panel; the sums of three rows and one half fill the 16 registers.
template <std::size_t Rows>
QUANTLAB_AVX2 void addGroups(const GroupBlock& block, std::size_t row, float* sums) {
  constexpr std::size_t kHalves = Rows <= 2 ? 2 : 1;
  for (std::size_t j = 0; j < block.lines.panels; j++)
    for (std::size_t group = 0; group < block.groups; group++)
      for (std::size_t half = 0; half < 2; half += kHalves)
        addGroup<Rows, kHalves>(block, j, half, group, row, sums);
}

QUANTLAB_AVX2 void addNibbles(const GroupBlock& block, float* sums) {
  std::size_t row = 0;
  for (; row + 3 <= block.x.rows; row += 3) addGroups<3>(block, row, sums);
  if (block.x.rows - row == 2) return addGroups<2>(block, row, sums);
  if (block.x.rows - row == 1) return addGroups<1>(block, row, sums);
}

// Both halves of one panel. Signed codes times digits, as magnitudes times digits with the codes' signs: two
// products are at most 2 * 128 * 127 and fit 16 bits.
template <std::size_t Rows>
QUANTLAB_AVX2 void addBytesTile(const ByteLines& lines, std::size_t panel, const std::int8_t* x,
                                std::size_t stride, std::int32_t* sums) {
  static_assert(2 * 128 * 127 < 32768);
  const std::uint8_t* line = lines.first + panel * lines.panelStride;
  const auto target = [&](std::size_t r, std::size_t h) {
    return reinterpret_cast<__m256i*>(sums + r * kQuadRows + panel * kPanelRows + 8 * h);
  };
  Sums<Rows, 2> local;
#pragma GCC unroll 4
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 2
    for (std::size_t h = 0; h < 2; h++) local.of[r][h] = _mm256_loadu_si256(target(r, h));
  for (std::size_t i = 0; i < lines.count; i++, line += kByteLine, x += kStepColumns) {
#pragma GCC unroll 2
    for (std::size_t h = 0; h < 2; h++) {
      const __m256i codes =
          _mm256_xor_si256(load(line + h * kHalfLine), _mm256_set1_epi8(static_cast<char>(0x80)));
      const __m256i magnitudes = _mm256_abs_epi8(codes);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < Rows; r++) {
        const __m256i digits = _mm256_sign_epi8(fourDigits(x + r * stride), codes);
        const __m256i pairs = _mm256_maddubs_epi16(magnitudes, digits);
        local.of[r][h] =
            _mm256_add_epi32(local.of[r][h], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
      }
    }
  }
#pragma GCC unroll 4
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 2
    for (std::size_t h = 0; h < 2; h++) _mm256_storeu_si256(target(r, h), local.of[r][h]);
}

template <std::size_t Rows>
QUANTLAB_AVX2 void addBytesPanels(const ByteLines& lines, const DigitBlock& x, std::size_t row,
                                  std::int32_t* sums) {
  for (std::size_t j = 0; j < lines.panels; j++)
    addBytesTile<Rows>(lines, j, x.first + row * x.stride, x.stride, sums + row * kQuadRows);
}

QUANTLAB_AVX2 void addBytes(const ByteLines& lines, const DigitBlock& x, std::int32_t* sums) {
  std::size_t row = 0;
  for (; row + 4 <= x.rows; row += 4) addBytesPanels<4>(lines, x, row, sums);
  switch (x.rows - row) {
    case 3: return addBytesPanels<3>(lines, x, row, sums);
    case 2: return addBytesPanels<2>(lines, x, row, sums);
    case 1: return addBytesPanels<1>(lines, x, row, sums);
    default: return;
  }
}

}  // namespace

const IntegerLoops avx2IntegerLoops{addNibbles, addBytes, 0, DigitLayout::rows, nullptr, nullptr};

}  // namespace quantlab
#endif
