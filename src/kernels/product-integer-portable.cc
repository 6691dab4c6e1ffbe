// Products in whole numbers in plain C++.
#include "float16.h"
#include "product-integer.h"

namespace quantlab {
namespace {

// One line of nibbles times the numbers of its eight columns.
void addLine(const std::uint8_t* line, const std::int8_t* digits, std::int32_t* sums) {
  std::int32_t numbers[2][kStepColumns];
  for (std::size_t j = 0; j < kStepColumns; j++) {
    numbers[0][j] = 128 * digits[j] + digits[kStepColumns + j];
    numbers[1][j] = 128 * digits[2 * kStepColumns + j] + digits[3 * kStepColumns + j];
  }
  for (std::size_t o = 0; o < kPanelRows; o++) {
    for (std::size_t j = 0; j < kStepColumns; j++) {
      const std::int32_t both = line[kStepColumns * o + j];
      sums[o] += (both & 15) * numbers[0][j] + (both >> 4) * numbers[1][j];
    }
  }
}

// One row against one panel's group.
void addGroup(const GroupBlock& block, std::size_t panel, std::size_t group, std::size_t row,
              float* sums) {
  const std::size_t count = block.lines.count;
  const std::uint8_t* line =
      block.lines.first + panel * block.lines.panelStride + group * count * kByteLine;
  const std::int8_t* digits = block.x.first + row * block.x.stride + group * count * kNibbleDigits;
  std::int32_t whole[kPanelRows] = {};
  for (std::size_t i = 0; i < count; i++, line += kByteLine, digits += kNibbleDigits)
    addLine(line, digits, whole);
  const std::size_t own = panel * block.weightGroups + group;
  const std::size_t ofX = row * block.weightGroups + group;
  for (std::size_t o = 0; o < kPanelRows; o++) {
    const std::int32_t zero = zeroOf(block.zeros + own * kPanelRows / 2, o);
    const float sum = static_cast<float>(whole[o] - zero * block.xSums[ofX]) * block.xScales[ofX];
    sums[row * kQuadRows + panel * kPanelRows + o] +=
        sum * f16ToFloat(block.scales[own * kPanelRows + o]);
  }
}

void addNibbles(const GroupBlock& block, float* sums) {
  for (std::size_t row = 0; row < block.x.rows; row++)
    for (std::size_t panel = 0; panel < block.lines.panels; panel++)
      for (std::size_t group = 0; group < block.groups; group++)
        addGroup(block, panel, group, row, sums);
}

void addBytes(const ByteLines& lines, const DigitBlock& x, std::int32_t* sums) {
  for (std::size_t row = 0; row < x.rows; row++) {
    for (std::size_t j = 0; j < lines.panels; j++) {
      const std::uint8_t* line = lines.first + j * lines.panelStride;
      const std::int8_t* digits = x.first + row * x.stride;
      std::int32_t* target = sums + row * kQuadRows + j * kPanelRows;
      for (std::size_t i = 0; i < lines.count; i++, line += kByteLine, digits += kStepColumns)
        for (std::size_t o = 0; o < kPanelRows; o++)
          for (std::size_t j = 0; j < kStepColumns; j++)
            target[o] += (line[kStepColumns * o + j] - 128) * digits[j];
    }
  }
}

}  // namespace

const IntegerLoops portableIntegerLoops{addNibbles, addBytes, 0, DigitLayout::rows, nullptr, nullptr};

}  // namespace quantlab
