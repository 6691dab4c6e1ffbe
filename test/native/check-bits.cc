// What promises the same bits everywhere: row ops, quantizers, decoding, choice. The fingerprints below
// are those of every instruction set on x86, whose results vitest compares with the TypeScript references.
#include <algorithm>
#include <cinttypes>
#include <cmath>

#include "check.h"
#include "quantize.h"
#include "row-ops.h"
#include "sample.h"

namespace quantlab::check {
namespace {

constexpr std::size_t kLengths = 129;

std::uint64_t normBits() {
  Fingerprint print;
  for (std::size_t n = 1; n <= kLengths; n++) {
    const auto x = samples(3 * n, n, 3);
    auto residual = samples(3 * n, n + 1, 0.5);
    const auto weight = samples(n, 7);
    std::vector<bf16> out(3 * n);
    rmsNorm(x.data(), weight.data(), 1e-5f, 3, n, out.data());
    print.add(out);
    addRmsNorm(residual.data(), x.data(), weight.data(), 1e-5f, 3, n, out.data());
    print.add(out);
    addBias(residual.data(), weight.data(), 3, n);
    print.add(residual);
  }
  return print.value();
}

std::uint64_t gateBits() {
  Fingerprint print;
  for (std::size_t n = 1; n <= kLengths; n++) {
    std::vector<bf16> out(2 * n);
    siluMultiply(samples(4 * n, n, n % 3 == 0 ? 40 : 2).data(), 2, n, out.data());
    print.add(out);
    convertToBf16(floats(samples(2 * n, n, 9)).data(), out.data(), 2 * n);
    print.add(out);
  }
  return print.value();
}

std::uint64_t formatBits(const Variant& variant) {
  const Format& format = variant.format;
  const bool isWhole = format.grouping == Grouping::always;
  Fingerprint print;
  for (std::size_t n = 1; n <= kLengths; n++) {
    const std::size_t columns = isWhole ? (n + 31) / 32 * 32 : n;
    const std::size_t rows = isWhole ? n : 17;
    const auto source = samples(rows * columns, n);
    const auto weight = quantized(variant, rows, columns, source);
    std::vector<float> row(columns);
    for (std::size_t i = 0; i < rows; i++) {
      format.dequantizeRow(*weight, i, row.data());
      print.add(row);
    }
    if (format.quantizeActivations == nullptr) continue;
    std::vector<bf16> values(columns);
    std::vector<float> scales(std::max<std::size_t>(1, weight->groups()));
    format.quantizeActivations(*weight, source.data(), values.data(), scales.data());
    print.add(values);
    print.add(scales);
  }
  return print.value();
}

std::uint64_t e4m3Bits() {
  Fingerprint print;
  for (std::size_t tile : {1, 3, 128}) {
    const std::size_t rows = 37;
    const std::size_t columns = 129;
    const std::size_t tiles = (columns + tile - 1) / tile;
    std::vector<std::uint8_t> codes(rows * columns);
    std::vector<float> scale(rows * tiles);
    quantizeE4m3(samples(rows * columns, tile).data(), rows, columns, 5, tile, 1e-4f, codes.data(),
                 scale.data());
    print.add(codes);
    print.add(scale);
  }
  return print.value();
}

// The searches as well: where to cut, which codes to move, and the Gram matrices they need.
std::uint64_t int4Bits() {
  Fingerprint print;
  for (std::size_t size : {32, 64, 128}) {
    for (bool symmetric : {false, true}) {
      const std::size_t rows = 21;
      const std::size_t columns = 2 * size;
      const std::size_t tokens = 45;
      const auto weight = samples(rows * columns, size);
      std::vector<float> columnScale = floats(samples(columns, 3, 0.2));
      for (float& value : columnScale) value = std::fabs(value) + 0.5f;
      const std::vector<float> rowScale(rows, 1.25f);
      const auto x = samples(tokens * columns, 11);
      const ScaledMatrix matrix{weight.data(), rows, columns, columnScale.data(), rowScale.data()};
      const GroupRule rule{size, symmetric, symmetric};
      std::vector<float> gram(2 * size * size);
      std::vector<float> limit(rows * 2);
      std::vector<float> sums(columns);
      std::vector<std::uint8_t> codes(rows * columns);
      std::vector<std::uint16_t> scale(rows * 2);
      std::vector<std::uint8_t> zero(rows * 2);
      addGram(x.data(), tokens, columns, size, gram.data());
      searchLimits(matrix, rule, gram.data(), limit.data());
      quantizeInt4(matrix, rule, limit.data(), codes.data(), scale.data(), zero.data());
      print.add(codes);
      descendCodes(matrix, rule, size, gram.data(), scale.data(), zero.data(), codes.data());
      addMagnitudes(x.data(), tokens, columns, size, sums.data());
      print.add(gram);
      print.add(limit);
      print.add(codes);
      print.add(scale);
      print.add(zero);
      print.add(sums);
    }
  }
  return print.value();
}

std::uint64_t choiceBits() {
  Fingerprint print;
  for (std::size_t n = 1; n <= kLengths; n++) {
    const auto logits = floats(samples(n * 7, n, 4));
    for (double uniform : {0.0, 0.4, 0.99}) {
      const std::uint64_t chosen[] = {argmax(logits.data(), logits.size()),
                                      sample(logits.data(), logits.size(), {0.7f, 0, 1, uniform}),
                                      sample(logits.data(), logits.size(), {1.3f, 5, 0.9, uniform})};
      print.add(chosen, sizeof chosen);
    }
  }
  return print.value();
}

}  // namespace

int checkBits() {
  int failures = 0;
  const auto compare = [&](const char* name, std::uint64_t found, std::uint64_t expected) {
    if (found == expected) return;
    failures++;
    std::printf("FAILED bits of %s: 0x%016" PRIx64 "ull, expected 0x%016" PRIx64 "ull\n", name, found,
                expected);
  };
  Fingerprint normal;
  normal.add(samples(100003, 5));
  compare("samples", normal.value(), 0x646b6aefd3ebc5acull);
  compare("norms", normBits(), 0x9c58dafbc4602a2dull);
  compare("gate and conversion", gateBits(), 0x44edaddf4214e36cull);
  compare("quantizeE4m3", e4m3Bits(), 0x6e0672f93ffa96f2ull);
  compare("int4 quantizers", int4Bits(), 0x883d1a8334c7aa44ull);
  compare("choice", choiceBits(), 0x4401a1391de73604ull);
  const std::pair<std::string, std::uint64_t> known[] = {
      {"awq", 0xca319486b84f8e01ull},
      {"bf16", 0xea6e0cca5899691full},
      {"fp8", 0xe2690ed874501c43ull},
      {"fp8 in groups", 0xfe48a6fd6c2d4fc3ull},
      {"int8", 0x995dbb8f5b075fb4ull},
  };
  for (const Variant& variant : variants()) {
    std::uint64_t expected = 0;
    for (const auto& [name, bits] : known)
      if (name == variant.name()) expected = bits;
    compare(variant.name().c_str(), formatBits(variant), expected);
  }
  if (failures == 0) std::printf("row ops, quantizers and choice: the expected bits\n");
  return failures;
}

}  // namespace quantlab::check
