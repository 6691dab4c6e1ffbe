// E4M3 codes to BF16 with NEON: shifts in bytes, and a table for the codes without an exponent.
#pragma once
#if defined(__aarch64__)
#include <arm_neon.h>

#include "decode.h"

namespace quantlab::fp8 {

// Low and high bytes of the BF16 values of 16 codes.
struct NeonHalves {
  uint8x16_t low;
  uint8x16_t high;
};

// Of the magnitudes 0 to 15; only the first eight are looked up.
inline NeonHalves neonTable() {
  std::uint8_t low[16];
  std::uint8_t high[16];
  for (std::size_t code = 0; code < 16; code++) {
    const bf16 value = decoded[code];
    low[code] = static_cast<std::uint8_t>(value);
    high[code] = static_cast<std::uint8_t>(value >> 8);
  }
  return {vld1q_u8(low), vld1q_u8(high)};
}

// Normal codes: (magnitude << 4) + 0x3c00 in bytes.
inline NeonHalves decodeSixteen(uint8x16_t codes, const NeonHalves& table) {
  const uint8x16_t magnitude = vandq_u8(codes, vdupq_n_u8(0x7f));
  const uint8x16_t isSmall = vcltq_u8(magnitude, vdupq_n_u8(8));
  const uint8x16_t isNan = vceqq_u8(magnitude, vdupq_n_u8(0x7f));
  const uint8x16_t normalHigh = vaddq_u8(vshrq_n_u8(magnitude, 4), vdupq_n_u8(0x3c));
  uint8x16_t low = vbslq_u8(isSmall, vqtbl1q_u8(table.low, magnitude), vshlq_n_u8(magnitude, 4));
  uint8x16_t high = vbslq_u8(isSmall, vqtbl1q_u8(table.high, magnitude), normalHigh);
  low = vorrq_u8(low, vandq_u8(isNan, vdupq_n_u8(0xc0)));
  high = vorrq_u8(high, vandq_u8(isNan, vdupq_n_u8(0x7f)));
  high = vorrq_u8(high, vbicq_u8(codes, vdupq_n_u8(0x7f)));
  return {low, high};
}

// `count` lines of codes to 2 * count lines of BF16.
inline void widenNeon(const std::uint8_t* codes, std::size_t count, bf16* lines) {
  const NeonHalves table = neonTable();
  for (std::size_t at = 0; at < count; at++, codes += kCodeBytes, lines += kCodeBytes) {
    for (std::size_t quarter = 0; quarter < 4; quarter++) {
      const NeonHalves bytes = decodeSixteen(vld1q_u8(codes + 16 * quarter), table);
      vst1q_u16(lines + 8 * quarter, vreinterpretq_u16_u8(vzip1q_u8(bytes.low, bytes.high)));
      vst1q_u16(lines + 32 + 8 * quarter, vreinterpretq_u16_u8(vzip2q_u8(bytes.low, bytes.high)));
    }
  }
}

}  // namespace quantlab::fp8
#endif
