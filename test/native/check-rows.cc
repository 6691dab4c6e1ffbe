// A row of x gives the same bits in a batch and among few, and a NaN code spoils its own output only.
#include <cmath>
#include <cstring>

#include "check.h"
#include "cpu.h"
#include "matmul.h"

namespace quantlab::check {
namespace {

constexpr std::size_t kRows = 76;  // of the weight: a quad of panels and a part of one
constexpr std::size_t kColumns = 640;
constexpr std::size_t kBatch = 6;

std::vector<float> products(const Weight& weight, const std::vector<bf16>& x, std::size_t m) {
  std::vector<float> out(m * kRows);
  LinearOutput output;
  output.single = out.data();
  linear(weight, x.data(), m, output);
  return out;
}

// Whether the first m rows alone give the bits that they give in a batch.
bool areSame(const Weight& weight, std::size_t m) {
  const auto x = samples(kBatch * kColumns, 11);
  const auto alone = products(weight, x, m);
  return std::memcmp(alone.data(), products(weight, x, kBatch).data(), alone.size() * sizeof(float)) == 0;
}

// fp8 weights of code 0x38 (1), and a NaN in output 35 at column 333.
bool staysWithItsOutput(const Variant& variant, std::size_t m) {
  const auto weight = quantized(variant, kRows, kColumns, samples(kRows * kColumns, 3));
  std::vector<std::uint8_t> codes(kRows * kColumns, 0x38);
  codes[35 * kColumns + 333] = 0x7f;
  const std::vector<float> scales(kRows * kColumns, 1.0f);
  const void* tensors[] = {codes.data(), scales.data()};
  if (!packPanels(*weight, tensors).empty()) return false;
  const auto out = products(*weight, std::vector<bf16>(m * kColumns, floatToBf16(1.0f)), m);
  for (std::size_t i = 0; i < out.size(); i++)
    if (i % kRows == 35 ? !std::isnan(out[i]) : std::fabs(out[i] - float{kColumns}) > 0.01f) return false;
  return true;
}

}  // namespace

int checkRows() {
  int failures = 0;
  const auto expect = [&](bool holds, const Variant& variant, std::size_t m, const char* what) {
    if (holds) return;
    failures++;
    std::printf("FAILED %s m %zu: %s\n", variant.name().c_str(), m, what);
  };
  for (const Variant& variant : variants()) {
    const auto weight = quantized(variant, kRows, kColumns, samples(kRows * kColumns, 5));
    for (std::size_t m = 1; m < kBatch; m++) {
      // On AMX one row of BF16 lines is computed by vectors, whose chains are other ones.
      const bool isOther = activeIsa() == Isa::amx && m == 1 && variant.format.codes == Codes::floats;
      if (!isOther) expect(areSame(*weight, m), variant, m, "other bits than in a batch");
      if (std::string(variant.format.name) == "fp8")
        expect(staysWithItsOutput(variant, m), variant, m, "a NaN code is not NaN in its output alone");
    }
  }
  std::printf("rows: the bits they have in a batch\n");
  return failures;
}

}  // namespace quantlab::check
