// E4M3 codes to BF16 lines with NEON.
#include "lines.h"

#if defined(__aarch64__)
#include "decode-neon.h"

namespace quantlab::fp8 {
namespace {

const bf16* lines(const Weight& weight, std::size_t panel, std::size_t firstPair, std::size_t pairs,
                  bf16* scratch) {
  widenNeon(panelOf(weight, panel) + firstPair / 2 * kCodeBytes, pairs / 2, scratch);
  return scratch;
}

}  // namespace

const FormatLoops neonLoops{lines, groupScales, nullptr};

}  // namespace quantlab::fp8
#endif
