// IEEE binary16 (F16), by bit patterns and without branches, so that loops over it become vector code.
#pragma once
#include <cstdint>
#include <cstring>

namespace quantlab {

[[gnu::always_inline]] inline std::uint32_t floatBits(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

[[gnu::always_inline]] inline float bitsFloat(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

[[gnu::always_inline]] inline float f16ToFloat(std::uint16_t bits) {
  const std::uint32_t magnitude = (bits & 0x7fffu) << 13;
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  // The exponent moves from bias 15 to bias 127, exactly, subnormals included.
  const float finite = bitsFloat(magnitude) * 0x1p112f;
  const std::uint32_t special = magnitude | 0x7f800000u;
  return bitsFloat((magnitude >= 0x0f800000u ? special : floatBits(finite)) | sign);
}

// To the nearest F16 number, ties to even; beyond 65504 infinity. NaN stays NaN.
[[gnu::always_inline]] inline float roundToF16(float value) {
  const std::uint32_t bits = floatBits(value);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const std::uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u)) & ~0x1fffu;
  // Below 2^-14 all F16 numbers are multiples of 2^-24, the last place of 0.5.
  const std::uint32_t small = floatBits((bitsFloat(magnitude) + 0.5f) - 0.5f);
  std::uint32_t rounded = magnitude < 0x38800000u ? small : normal;
  rounded = rounded >= 0x47800000u ? 0x7f800000u : rounded;
  rounded = magnitude > 0x7f800000u ? magnitude : rounded;
  return bitsFloat(rounded | (bits & 0x80000000u));
}

// The bits of a value that is an F16 number already.
[[gnu::always_inline]] inline std::uint16_t f16Bits(float value) {
  const std::uint32_t bits = floatBits(value);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude == 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u)
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(bitsFloat(magnitude) * 0x1p24f));
  return static_cast<std::uint16_t>(sign | ((magnitude >> 13) - (112u << 10)));
}

// To the nearest whole number, ties to the even one; |value| below 2^22.
[[gnu::always_inline]] inline float roundHalfEven(float value) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: the last place is 1
  return (value + kRound) - kRound;
}

}  // namespace quantlab
