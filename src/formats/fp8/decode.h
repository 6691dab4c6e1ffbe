// Codes to BF16 by the vector: 64 bytes of E4M3 codes are two lines of 16 x 2 BF16 numbers.
#pragma once
#include <array>
#include <cstddef>

#include "dispatch.h"
#include "e4m3.h"
#include "intrinsics.h"

namespace quantlab::fp8 {

constexpr std::size_t kCodeBytes = 64;

// Byte of element `part` (0 or 1) of lane `lane` (0 to 15) of line `line` (0 or 1), such that interleaving
// the low and the high bytes of BF16 within 128-bit lanes gives the two lines.
constexpr std::size_t codeByte(std::size_t lane, std::size_t line, std::size_t part) {
  return lane / 4 * 16 + line * 8 + lane % 4 * 2 + part;
}

inline const std::array<bf16, 256> decoded = [] {
  std::array<bf16, 256> values{};
  for (std::size_t code = 0; code < 256; code++)
    values[code] = decodeE4m3(static_cast<std::uint8_t>(code));
  return values;
}();

// `count` lines of codes to 2 * count lines of BF16.
inline void widenPortable(const std::uint8_t* codes, std::size_t count, bf16* lines) {
  for (std::size_t at = 0; at < count; at++, codes += kCodeBytes, lines += kCodeBytes)
    for (std::size_t quarter = 0; quarter < 4; quarter++)
      for (std::size_t line = 0; line < 2; line++)
        for (std::size_t i = 0; i < 8; i++)
          lines[32 * line + 8 * quarter + i] = decoded[codes[16 * quarter + 8 * line + i]];
}

#if defined(__x86_64__)
// Low and high bytes of the BF16 values of 32 codes. Normal codes: (magnitude << 4) + 0x3c00 in bytes;
// the eight codes without an exponent come from a table.
struct Halves {
  __m256i low;
  __m256i high;
};

struct SmallTables {
  __m256i low;
  __m256i high;
};

QUANTLAB_AVX2 inline SmallTables smallTables() {
  alignas(16) std::uint8_t low[16];
  alignas(16) std::uint8_t high[16];
  for (std::size_t i = 0; i < 16; i++) {
    low[i] = static_cast<std::uint8_t>(decoded[i]);
    high[i] = static_cast<std::uint8_t>(decoded[i] >> 8);
  }
  return {_mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(low))),
          _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(high)))};
}

QUANTLAB_AVX2 inline Halves decodeHalves(__m256i codes, const SmallTables& tables) {
  const __m256i magnitude = _mm256_and_si256(codes, _mm256_set1_epi8(0x7f));
  const __m256i nibble = _mm256_set1_epi8(0x0f);
  const __m256i exponent = _mm256_and_si256(_mm256_srli_epi16(magnitude, 4), nibble);
  const __m256i mantissa = _mm256_andnot_si256(nibble, _mm256_slli_epi16(magnitude, 4));
  const __m256i isSmall = _mm256_cmpgt_epi8(_mm256_set1_epi8(8), magnitude);
  const __m256i isNan = _mm256_cmpeq_epi8(magnitude, _mm256_set1_epi8(0x7f));
  __m256i low = _mm256_blendv_epi8(mantissa, _mm256_shuffle_epi8(tables.low, magnitude), isSmall);
  __m256i high = _mm256_blendv_epi8(_mm256_add_epi8(exponent, _mm256_set1_epi8(0x3c)),
                                    _mm256_shuffle_epi8(tables.high, magnitude), isSmall);
  low = _mm256_or_si256(low, _mm256_and_si256(isNan, _mm256_set1_epi8(static_cast<char>(0xc0))));
  high = _mm256_or_si256(high, _mm256_and_si256(isNan, _mm256_set1_epi8(0x7f)));
  high = _mm256_or_si256(high, _mm256_andnot_si256(_mm256_set1_epi8(0x7f), codes));
  return {low, high};
}

// Half a line of codes to half of each of its two BF16 lines.
QUANTLAB_AVX2 inline void decodeHalfLine(const std::uint8_t* codes, const SmallTables& tables,
                                         __m256i* first, __m256i* second) {
  const Halves bytes =
      decodeHalves(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)), tables);
  *first = _mm256_unpacklo_epi8(bytes.low, bytes.high);
  *second = _mm256_unpackhi_epi8(bytes.low, bytes.high);
}

QUANTLAB_AVX2 inline void widenAvx2(const std::uint8_t* codes, std::size_t count, bf16* lines) {
  const SmallTables tables = smallTables();
  for (std::size_t at = 0; at < count; at++, codes += kCodeBytes, lines += kCodeBytes) {
    for (std::size_t half = 0; half < 2; half++) {
      __m256i first;
      __m256i second;
      decodeHalfLine(codes + 32 * half, tables, &first, &second);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(lines + 16 * half), first);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(lines + 32 + 16 * half), second);
    }
  }
}

// Low and high bytes of the BF16 values of magnitudes 0 to 127.
struct ByteTables {
  alignas(64) std::uint8_t low[128];
  alignas(64) std::uint8_t high[128];
};
inline const ByteTables byteTables = [] {
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

QUANTLAB_AVX512 inline void widenAvx512(const std::uint8_t* codes, std::size_t count, bf16* lines) {
  const Decoder tables = decoder();
  for (std::size_t at = 0; at < count; at++) {
    __m512i first;
    __m512i second;
    decode(tables, codes + at * kCodeBytes, &first, &second);
    _mm512_storeu_si512(lines + 2 * at * 32, first);
    _mm512_storeu_si512(lines + (2 * at + 1) * 32, second);
  }
}
#endif

}  // namespace quantlab::fp8
