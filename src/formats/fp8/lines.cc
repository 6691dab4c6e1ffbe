// E4M3 codes to BF16 lines: a table of 256 entries, byte shuffles (AVX2), byte tables (AVX-512).
#include "lines.h"

#include <array>
#include <cstring>

#include "dispatch.h"
#include "e4m3.h"
#include "intrinsics.h"

namespace quantlab::fp8 {
namespace {

const std::array<bf16, 256> decoded = [] {
  std::array<bf16, 256> values{};
  for (std::size_t code = 0; code < 256; code++)
    values[code] = decodeE4m3(static_cast<std::uint8_t>(code));
  return values;
}();

const bf16* portableLines(const Weight& weight, std::size_t panel, std::size_t firstPair,
                          std::size_t pairs, bf16* scratch) {
  const std::uint8_t* codes = panelOf(weight, panel) + firstPair / 2 * kCodeBytes;
  for (std::size_t at = 0; at < pairs / 2; at++)
    for (std::size_t lane = 0; lane < 4; lane++)
      for (std::size_t pair = 0; pair < 2; pair++)
        for (std::size_t i = 0; i < 8; i++)
          scratch[(2 * at + pair) * kLineElements + 8 * lane + i] =
              decoded[codes[at * kCodeBytes + 16 * lane + 8 * pair + i]];
  return scratch;
}

#if defined(__x86_64__)
// Low and high bytes of the BF16 values of 32 codes. Normal codes: (magnitude << 4) + 0x3c00 in bytes;
// the eight codes without an exponent come from a table.
struct Halves {
  __m256i low;
  __m256i high;
};

QUANTLAB_AVX2 inline __m256i repeated(const std::uint8_t* table) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
}

QUANTLAB_AVX2 inline Halves avx2Halves(__m256i codes, __m256i lowTable, __m256i highTable) {
  const __m256i magnitude = _mm256_and_si256(codes, _mm256_set1_epi8(0x7f));
  const __m256i nibble = _mm256_set1_epi8(0x0f);
  const __m256i exponent = _mm256_and_si256(_mm256_srli_epi16(magnitude, 4), nibble);
  const __m256i mantissa = _mm256_andnot_si256(nibble, _mm256_slli_epi16(magnitude, 4));
  const __m256i isSmall = _mm256_cmpgt_epi8(_mm256_set1_epi8(8), magnitude);
  const __m256i isNan = _mm256_cmpeq_epi8(magnitude, _mm256_set1_epi8(0x7f));
  __m256i low = _mm256_blendv_epi8(mantissa, _mm256_shuffle_epi8(lowTable, magnitude), isSmall);
  __m256i high = _mm256_blendv_epi8(_mm256_add_epi8(exponent, _mm256_set1_epi8(0x3c)),
                                    _mm256_shuffle_epi8(highTable, magnitude), isSmall);
  low = _mm256_or_si256(low, _mm256_and_si256(isNan, _mm256_set1_epi8(static_cast<char>(0xc0))));
  high = _mm256_or_si256(high, _mm256_and_si256(isNan, _mm256_set1_epi8(0x7f)));
  high = _mm256_or_si256(high, _mm256_andnot_si256(_mm256_set1_epi8(0x7f), codes));
  return {low, high};
}

QUANTLAB_AVX2 const bf16* avx2Lines(const Weight& weight, std::size_t panel, std::size_t firstPair,
                                    std::size_t pairs, bf16* scratch) {
  alignas(16) std::uint8_t low[16];
  alignas(16) std::uint8_t high[16];
  for (std::size_t i = 0; i < 16; i++) {
    low[i] = static_cast<std::uint8_t>(decoded[i]);
    high[i] = static_cast<std::uint8_t>(decoded[i] >> 8);
  }
  const __m256i lowTable = repeated(low);
  const __m256i highTable = repeated(high);
  const std::uint8_t* codes = panelOf(weight, panel) + firstPair / 2 * kCodeBytes;
  for (std::size_t at = 0; at < pairs / 2; at++) {
    for (std::size_t half = 0; half < 2; half++) {
      const Halves bytes =
          avx2Halves(_mm256_loadu_si256(
                         reinterpret_cast<const __m256i*>(codes + at * kCodeBytes + 32 * half)),
                     lowTable, highTable);
      bf16* line = scratch + 2 * at * kLineElements + 16 * half;
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(line),
                          _mm256_unpacklo_epi8(bytes.low, bytes.high));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(line + kLineElements),
                          _mm256_unpackhi_epi8(bytes.low, bytes.high));
    }
  }
  return scratch;
}

// Low and high bytes of the BF16 values of magnitudes 0 to 127.
struct ByteTables {
  alignas(64) std::uint8_t low[128];
  alignas(64) std::uint8_t high[128];
};
const ByteTables byteTables = [] {
  ByteTables tables{};
  for (std::size_t code = 0; code < 128; code++) {
    tables.low[code] = static_cast<std::uint8_t>(decoded[code]);
    tables.high[code] = static_cast<std::uint8_t>(decoded[code] >> 8);
  }
  return tables;
}();

struct Decoder {
  __m512i low[2];
  __m512i high[2];
  __m512i sign;
};

QUANTLAB_AVX512 inline Decoder decoder() {
  return {{_mm512_load_si512(byteTables.low), _mm512_load_si512(byteTables.low + 64)},
          {_mm512_load_si512(byteTables.high), _mm512_load_si512(byteTables.high + 64)},
          _mm512_set1_epi8(static_cast<char>(0x80))};
}

// Two BF16 lines of one line of codes.
QUANTLAB_AVX512 inline void decode(const Decoder& tables, const std::uint8_t* codes, __m512i* first,
                                   __m512i* second) {
  const __m512i code = _mm512_loadu_si512(codes);
  // The lookup reads seven bits of an index, so the sign bit does not disturb it.
  const __m512i low = _mm512_permutex2var_epi8(tables.low[0], code, tables.low[1]);
  const __m512i magnitude = _mm512_permutex2var_epi8(tables.high[0], code, tables.high[1]);
  const __m512i high = _mm512_ternarylogic_epi32(magnitude, code, tables.sign, 0xf8);  // a | (b & c)
  *first = _mm512_unpacklo_epi8(low, high);
  *second = _mm512_unpackhi_epi8(low, high);
}

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
QUANTLAB_AVX512 void fewTile(const Weight& weight, std::size_t panel, const bf16* x,
                             std::size_t stride, float* sums) {
  const Decoder tables = decoder();
  const std::size_t panelBytes = weight.pairs / 2 * kCodeBytes;
  const std::uint8_t* codes = panelOf(weight, panel);
  __m512 local[Rows][Panels];
#pragma GCC unroll 6
  for (std::size_t row = 0; row < Rows; row++)
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) local[row][j] = _mm512_setzero_ps();
  for (std::size_t at = 0; at < weight.pairs / 2; at++) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Panels; j++) {
      __m512i first;
      __m512i second;
      decode(tables, codes + j * panelBytes + at * kCodeBytes, &first, &second);
#pragma GCC unroll 6
      for (std::size_t row = 0; row < Rows; row++) {
        const bf16* pair = x + row * stride + 4 * at;
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
QUANTLAB_AVX512 void fewRows(const Weight& weight, std::size_t panel, const bf16* x,
                             std::size_t stride, std::size_t rows, float* sums) {
  switch (rows) {
    case 1: return fewTile<1, Panels>(weight, panel, x, stride, sums);
    case 2: return fewTile<2, Panels>(weight, panel, x, stride, sums);
    case 3: return fewTile<3, Panels>(weight, panel, x, stride, sums);
    default: return fewTile<4, Panels>(weight, panel, x, stride, sums);
  }
}

QUANTLAB_AVX512 void few(const Weight& weight, std::size_t panel, std::size_t panels, const bf16* x,
                         std::size_t stride, std::size_t rows, float* sums) {
  if (panels == kQuadPanels) return fewRows<kQuadPanels>(weight, panel, x, stride, rows, sums);
  for (std::size_t j = 0; j < panels; j++)
    fewRows<1>(weight, panel + j, x, stride, rows, sums + kPanelRows * j);
}
#endif

}  // namespace

const FormatLoops portableLoops{portableLines, nullptr, nullptr};
#if defined(__x86_64__)
const FormatLoops avx2Loops{avx2Lines, nullptr, nullptr};
const FormatLoops avx512Loops{avx512Lines, nullptr, few};
#endif

}  // namespace quantlab::fp8
