// Products in whole numbers with AVX-512: `vpdpbusd` multiplies a byte line with four broadcast digits.
#include "product-integer.h"

#if defined(__x86_64__)
#include <cstring>

#include "dispatch.h"
#include "intrinsics.h"

namespace quantlab {
namespace {

constexpr int kDigitBits = 7;
constexpr std::size_t kPageBytes = 4096;

QUANTLAB_AVX512 inline __m512i fourDigits(const std::int8_t* digits) {
  int bits;
  std::memcpy(&bits, digits, kStepColumns);
  return _mm512_set1_epi32(bits);
}

QUANTLAB_AVX512 inline __m512i load(const std::uint8_t* line) { return _mm512_loadu_si512(line); }

// Assembly, because GCC 12 copies the sums around its own intrinsic, and spills them where they fill the registers.
QUANTLAB_AVX512 inline void addProducts(__m512i& sums, __m512i codes, __m512i digits) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(digits));
}

// A panel's 16 zero points, one a lane.
QUANTLAB_AVX512 inline __m512i zerosOf(const std::uint8_t* zeros) {
  long long bits;
  std::memcpy(&bits, zeros, 8);
  const __m512i shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  const __m512i halves = _mm512_permutexvar_epi32(
      _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1), _mm512_set1_epi64(bits));
  return _mm512_and_si512(_mm512_srlv_epi32(halves, shifts), _mm512_set1_epi32(15));
}

// Sums of both digits of `Rows` rows against `Panels` panels.
template <std::size_t Rows, std::size_t Panels>
struct Sums {
  __m512i high[Rows][Panels];
  __m512i low[Rows][Panels];
};

// The sums of a group without its zero points, scaled, onto the rows' totals.
template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX512 inline void addScaled(const GroupBlock& block, std::size_t panel, std::size_t group,
                                      std::size_t row, const Sums<Rows, Panels>& local, float* sums) {
#pragma GCC unroll 4
  for (std::size_t j = 0; j < Panels; j++) {
    const std::size_t own = (panel + j) * block.weightGroups + group;
    const __m512i zeros = zerosOf(block.zeros + own * kPanelRows / 2);
    const __m512 scales = _mm512_cvtph_ps(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block.scales + own * kPanelRows)));
#pragma GCC unroll 4
    for (std::size_t r = 0; r < Rows; r++) {
      const std::size_t ofX = (row + r) * block.weightGroups + group;
      const __m512i whole = _mm512_sub_epi32(
          _mm512_add_epi32(_mm512_slli_epi32(local.high[r][j], kDigitBits), local.low[r][j]),
          _mm512_mullo_epi32(zeros, _mm512_set1_epi32(block.xSums[ofX])));
      const __m512 sum =
          _mm512_mul_ps(_mm512_cvtepi32_ps(whole), _mm512_set1_ps(block.xScales[ofX]));
      float* target = sums + (row + r) * kQuadRows + (panel + j) * kPanelRows;
      _mm512_storeu_ps(target, _mm512_add_ps(_mm512_loadu_ps(target), _mm512_mul_ps(sum, scales)));
    }
  }
}

// One byte line of each panel; digits of row r at x + r * stride.
template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX512 inline void addStep(const __m512i (&line)[Panels], const std::int8_t* x,
                                    std::size_t stride, Sums<Rows, Panels>& sums) {
#pragma GCC unroll 4
  for (std::size_t row = 0; row < Rows; row++) {
    const __m512i high = fourDigits(x + row * stride);
    const __m512i low = fourDigits(x + row * stride + kStepColumns);
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) {
      addProducts(sums.high[row][j], line[j], high);
      addProducts(sums.low[row][j], line[j], low);
    }
  }
}

// One group: three operations decode 128 weights. 3 rows against 4 panels keep 24 sums, 4 lines, 2 digits and
// the mask in the 32 registers.
template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX512 inline void addGroup(const GroupBlock& block, std::size_t panel, std::size_t group,
                                     std::size_t row, float* sums) {
  const std::size_t stride = block.x.stride;
  const std::size_t count = block.lines.count;
  const std::int8_t* x = block.x.first + row * stride + group * count * kNibbleDigits;
  const std::uint8_t* line =
      block.lines.first + panel * block.lines.panelStride + group * count * kByteLine;
  const __m512i nibble = _mm512_set1_epi8(15);
  Sums<Rows, Panels> local;
#pragma GCC unroll 4
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) local.high[r][j] = local.low[r][j] = _mm512_setzero_si512();
  for (std::size_t i = 0; i < count; i++, line += kByteLine, x += kNibbleDigits) {
    __m512i first[Panels];
    __m512i second[Panels];
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) {
      first[j] = load(line + j * block.lines.panelStride);
      // One row waits for memory, and the hardware's own fetching ends with each page.
      if constexpr (Rows == 1)
        _mm_prefetch(reinterpret_cast<const char*>(line + j * block.lines.panelStride + kPageBytes),
                     _MM_HINT_T1);
      // Loaded once: the compiler would read it from memory again for each use.
      asm("" : "+v"(first[j]));
      second[j] = _mm512_and_si512(_mm512_srli_epi16(first[j], 4), nibble);
      first[j] = _mm512_and_si512(first[j], nibble);
    }
    addStep<Rows, Panels>(first, x, stride, local);
    addStep<Rows, Panels>(second, x + 2 * kStepColumns, stride, local);
  }
  addScaled<Rows, Panels>(block, panel, group, row, local, sums);
}

template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX512 void addGroups(const GroupBlock& block, std::size_t panel, std::size_t row,
                               float* sums) {
  for (std::size_t group = 0; group < block.groups; group++)
    addGroup<Rows, Panels>(block, panel, group, row, sums);
}

template <std::size_t Rows>
QUANTLAB_AVX512 void addPanels(const GroupBlock& block, std::size_t row, float* sums) {
  if (block.lines.panels == kQuadPanels) return addGroups<Rows, kQuadPanels>(block, 0, row, sums);
  for (std::size_t j = 0; j < block.lines.panels; j++) addGroups<Rows, 1>(block, j, row, sums);
}

QUANTLAB_AVX512 void addNibbles(const GroupBlock& block, float* sums) {
  std::size_t row = 0;
  for (; row + 3 <= block.x.rows; row += 3) addPanels<3>(block, row, sums);
  if (block.x.rows - row == 2) return addPanels<2>(block, row, sums);
  if (block.x.rows - row == 1) return addPanels<1>(block, row, sums);
}

// 6 rows against 4 panels keep 24 sums in registers.
template <std::size_t Rows, std::size_t Panels>
QUANTLAB_AVX512 void addBytesTile(const ByteLines& lines, std::size_t panel, const std::int8_t* x,
                                  std::size_t stride, std::int32_t* sums) {
  const std::uint8_t* line = lines.first + panel * lines.panelStride;
  __m512i local[Rows][Panels];
#pragma GCC unroll 6
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
      local[r][j] = _mm512_loadu_si512(sums + r * kQuadRows + (panel + j) * kPanelRows);
  for (std::size_t i = 0; i < lines.count; i++, line += kByteLine, x += kStepColumns) {
    __m512i codes[Panels];
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) codes[j] = load(line + j * lines.panelStride);
#pragma GCC unroll 6
    for (std::size_t r = 0; r < Rows; r++) {
      const __m512i digits = fourDigits(x + r * stride);
#pragma GCC unroll 4
      for (std::size_t j = 0; j < Panels; j++)
        addProducts(local[r][j], codes[j], digits);
    }
  }
#pragma GCC unroll 6
  for (std::size_t r = 0; r < Rows; r++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++)
      _mm512_storeu_si512(sums + r * kQuadRows + (panel + j) * kPanelRows, local[r][j]);
}

template <std::size_t Rows>
QUANTLAB_AVX512 void addBytesPanels(const ByteLines& lines, const DigitBlock& x, std::size_t row,
                                    std::int32_t* sums) {
  const std::int8_t* digits = x.first + row * x.stride;
  std::int32_t* target = sums + row * kQuadRows;
  if (lines.panels == kQuadPanels)
    return addBytesTile<Rows, kQuadPanels>(lines, 0, digits, x.stride, target);
  for (std::size_t j = 0; j < lines.panels; j++)
    addBytesTile<Rows, 1>(lines, j, digits, x.stride, target);
}

QUANTLAB_AVX512 void addBytes(const ByteLines& lines, const DigitBlock& x, std::int32_t* sums) {
  std::size_t row = 0;
  for (; row + 6 <= x.rows; row += 6) addBytesPanels<6>(lines, x, row, sums);
  switch (x.rows - row) {
    case 5: return addBytesPanels<5>(lines, x, row, sums);
    case 4: return addBytesPanels<4>(lines, x, row, sums);
    case 3: return addBytesPanels<3>(lines, x, row, sums);
    case 2: return addBytesPanels<2>(lines, x, row, sums);
    case 1: return addBytesPanels<1>(lines, x, row, sums);
    default: return;
  }
}

}  // namespace

const IntegerLoops avx512IntegerLoops{addNibbles, addBytes, 128, DigitLayout::rows, nullptr, nullptr};

}  // namespace quantlab
#endif
