// E4M3 ("fn": no infinities, largest 448), one byte, to and from wider floats, without branches.
#pragma once
#include <cstdint>

#include "float16.h"
#include "memory.h"

namespace quantlab {

// To the nearest code, ties to even, saturating at 448; NaN becomes 0x7F, its sign dropped.
[[gnu::always_inline]] inline std::uint8_t encodeE4m3(float value) {
  const std::uint32_t bits = floatBits(value);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const std::uint32_t normal = ((magnitude + 0x7ffffu + ((magnitude >> 20) & 1u)) >> 20) - 960u;
  // Below 2^-6 codes are multiples of 2^-9, the last place of 2^14.
  const std::uint32_t small = floatBits(bitsFloat(magnitude) + 16384.0f) - 0x46800000u;
  std::uint32_t code = magnitude < 0x3c800000u ? small : normal;
  code = magnitude >= 0x43e00000u ? 0x7eu : code;
  code |= (bits >> 24) & 0x80u;
  return static_cast<std::uint8_t>(magnitude > 0x7f800000u ? 0x7fu : code);
}

// Every code is a BF16 number; 0x7F and 0xFF are NaN.
[[gnu::always_inline]] inline bf16 decodeE4m3(std::uint8_t code) {
  const std::uint32_t magnitude = code & 0x7fu;
  const std::uint32_t normal = (magnitude << 4) + 0x3c00u;
  const std::uint32_t small = floatBits(static_cast<float>(static_cast<int>(magnitude)) * 0x1p-9f) >> 16;
  std::uint32_t value = magnitude < 8 ? small : normal;
  value = magnitude == 0x7fu ? 0x7fc0u : value;
  return static_cast<bf16>(value | ((code & 0x80u) << 8));
}

// decodeE4m3(encodeE4m3(value)), without the code between.
[[gnu::always_inline]] inline bf16 roundToE4m3(float value) {
  const std::uint32_t bits = floatBits(value);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const std::uint32_t normal = (magnitude + 0x7ffffu + ((magnitude >> 20) & 1u)) & ~0xfffffu;
  const std::uint32_t small = floatBits((bitsFloat(magnitude) + 16384.0f) - 16384.0f);
  std::uint32_t rounded = magnitude < 0x3c800000u ? small : normal;
  rounded = magnitude >= 0x43e00000u ? 0x43e00000u : rounded;
  rounded |= bits & 0x80000000u;
  return static_cast<bf16>((magnitude > 0x7f800000u ? 0x7fc00000u : rounded) >> 16);
}

}  // namespace quantlab
