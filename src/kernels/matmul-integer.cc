// The matmul of formats whose codes are whole numbers: digits of x against byte lines, exact within a section.
#include <algorithm>
#include <cstring>

#include "dispatch.h"
#include "matmul-part.h"
#include "pool.h"
#include "product-integer.h"

namespace quantlab {
namespace {

// What L1 holds of four panels while rows pass: 64 lines each, 16 KiB.
constexpr std::size_t kBlockLines = 64;

const IntegerLoops& integerLoops([[maybe_unused]] std::size_t m) {
#if defined(__x86_64__)
  // Few rows leave the tiles empty, and vectors stream the weights faster. The bits are the same.
  if (activeIsa() == Isa::amx && m > kFewRows) return amxIntegerLoops;
#endif
  static const IntegerLoops& loops = QUANTLAB_LOOPS(IntegerLoops);
  return loops;
}

// Each thread's own working memory.
struct Scratch {
  alignas(64) std::int32_t whole[kBlockRows * kQuadRows];
  alignas(64) float sums[kBlockRows * kQuadRows];
};

Scratch& scratch() {
  thread_local Scratch memory;
  return memory;
}

struct Product {
  const Weight& weight;
  const IntegerLoops& loops;
  Digits x;

  bool isTiled() const { return loops.layout == DigitLayout::tiles; }
  // Digits of the rows from `first`.
  const std::int8_t* digits(std::size_t first) const {
    return x.values + (isTiled() ? first * digitCount(weight) / kDigitTileRows : first) * x.stride;
  }
};

// Few rows read each code once: all groups in one go, so that a panel is one stream from memory (tiles decode
// the next group meanwhile). Many rows take as much as leaves codes in L1, or their digits in L2 for the next panels.
std::size_t groupsAtOnce(const Product& product, const Part& part, std::size_t lines) {
  if (part.rows <= (product.isTiled() ? kDigitTileRows : kFewRows)) return product.weight.groups();
  return std::max<std::size_t>(1, kBlockLines / lines);
}

// Nibbles are half a byte a column.
void addGroups(const Product& product, const Part& part, Scratch& memory) {
  const Weight& weight = product.weight;
  const Digits& x = product.x;
  const std::size_t groups = weight.groups();
  const std::size_t lines = weight.groupSize / (2 * kStepColumns);
  const std::size_t panelBytes = weight.columns * kPanelRows / 2;
  const std::size_t at = part.panel * groups;
  const std::size_t tiles = (weight.groupSize + kDigitTileColumns - 1) / kDigitTileColumns;
  const std::size_t groupDigits = product.isTiled() ? tiles * kDigitTileBytes : lines * kNibbleDigits;
  GroupBlock block{
      {weight.codes.as<std::uint8_t>() + part.panel * panelBytes, panelBytes, part.panels, lines},
      {product.digits(part.first), x.stride, part.rows},
      groupsAtOnce(product, part, lines),
      groups,
      weight.scales.as<std::uint16_t>() + at * kPanelRows,
      weight.zeros.as<std::uint8_t>() + at * kPanelRows / 2,
      x.scales + part.first * groups,
      x.sums + part.first * groups};
  for (std::size_t done = 0; done < groups; done += block.groups) {
    block.groups = std::min(block.groups, groups - done);
    product.loops.addNibbles(block, memory.sums);
    block.lines.first += block.groups * lines * kByteLine;
    block.x.first += block.groups * groupDigits;
    block.scales += block.groups * kPanelRows;
    block.zeros += block.groups * kPanelRows / 2;
    block.xScales += block.groups;
    block.xSums += block.groups;
  }
}

// sums += whole, each rounded once.
QUANTLAB_BODY void addWholeBody(const std::int32_t* whole, std::size_t count, float* sums) {
  for (std::size_t i = 0; i < count; i++) sums[i] += static_cast<float>(whole[i]);
}
QUANTLAB_VARIANTS(void, addWhole, (const std::int32_t* whole, std::size_t count, float* sums),
                  (whole, count, sums));

void addSections(const Product& product, const Part& part, Scratch& memory) {
  const Weight& weight = product.weight;
  const Digits& x = product.x;
  const std::size_t sections = sectionsOf(weight);
  const std::size_t panelBytes = 2 * weight.pairs * kPanelRows;
  const std::uint8_t* codes = weight.codes.as<std::uint8_t>() + part.panel * panelBytes;
  const std::int8_t* digits = product.digits(part.first);
  const std::size_t lineDigits = product.isTiled() ? kDigitTileRows * kStepColumns : kStepColumns;
  constexpr std::size_t kSectionLines = kLongestSection / kStepColumns;
  const std::size_t total = panelBytes / kByteLine;
  const std::size_t longest = part.rows <= kFewRows ? kSectionLines : kBlockLines;
  for (std::size_t section = 0; section < sections; section++) {
    for (std::size_t row = 0; row < part.rows; row++)
      std::fill_n(memory.whole + row * kQuadRows, kQuadRows,
                  -product.loops.byteZero * x.sums[(part.first + row) * sections + section]);
    const std::size_t end = std::min(total, (section + 1) * kSectionLines);
    for (std::size_t line = section * kSectionLines; line < end; line += longest)
      product.loops.addBytes(
          {codes + line * kByteLine, panelBytes, part.panels, std::min(longest, end - line)},
          {digits + line * lineDigits, x.stride, part.rows}, memory.whole);
    addWhole(memory.whole, part.rows * kQuadRows, memory.sums);
  }
}

}  // namespace

void integerLinear(const Weight& weight, const bf16* x, std::size_t m, const LinearOutput& out) {
  const Format& format = *weight.format;
  const IntegerLoops& loops = integerLoops(m);
  const Product product{weight, loops, digitsOf(weight, x, m, loops.layout)};
  const float* rowScales = format.rowScales == nullptr ? nullptr : format.rowScales(weight);
  parallelFor(partsOf(weight, m), 1, [&](std::size_t begin, std::size_t end) {
    Scratch& memory = scratch();
    if (loops.enter != nullptr) loops.enter();
    for (std::size_t index = begin; index < end; index++) {
      const Part part = partAt(weight, m, index);
      std::memset(memory.sums, 0, part.rows * kQuadRows * sizeof(float));
      if (format.codes == Codes::nibbles)
        addGroups(product, part, memory);
      else
        addSections(product, part, memory);
      finishPart(weight, part, product.x.scales, rowScales, out, memory.sums);
    }
    if (loops.leave != nullptr) loops.leave();
  });
}

}  // namespace quantlab
