// What a number format gives the matmul: how it packs, and what its codes are.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "weight.h"

namespace quantlab {

enum class ElementType { u8, u16, f32 };
enum class Extent { weight, row, group };  // one element a weight, a row, or a group of a row
// Whether the columns of a weight are cut into groups with scales of their own.
enum class Grouping { never, always, optional };

// A canonical tensor of packWeight. A `row` of a weight with groups has one element a group.
struct FormatTensor {
  const char* name;
  ElementType type;
  Extent extent;
};

// What a format's codes are to the matmul: numbers that become BF16 lines (FormatLoops), or whole numbers
// that are multiplied as such, in byte lines (product-integer.h):
//   nibbles  4-bit codes, two byte lines in one of 64 bytes: low nibbles hold columns 8i to 8i + 3, high
//            nibbles the next four. For each group F16 scales of the 16 outputs in Weight::scales, and in
//            Weight::zeros their zero points, output o in nibble o.
//   bytes    8-bit codes plus 128; scales are those of rows.
enum class Codes { floats, nibbles, bytes };

// Bytes of one panel.
struct PanelBytes {
  std::size_t codes;
  std::size_t scales;
  std::size_t zeros;
};

// Most panels of a task, and most rows of x that are few.
constexpr std::size_t kQuadPanels = 4;
constexpr std::size_t kQuadRows = kQuadPanels * kPanelRows;
constexpr std::size_t kFewRows = 4;

// A product of few rows: pairs [firstPair, firstPair + pairs) of panels [panel, panel + panels).
struct FewRows {
  const Weight& weight;
  std::size_t panel;
  std::size_t panels;
  std::size_t firstPair;
  std::size_t pairs;
  const bf16* x;  // row r's columns of these pairs begin at x + r * stride
  std::size_t stride;
  std::size_t rows;
};

// The inner loops of a format under one instruction set.
struct FormatLoops {
  // BF16 lines of pairs [firstPair, firstPair + pairs) of a panel: in place, or decoded into `scratch`.
  // Weights with groups decode to numbers that their scale multiplies.
  const bf16* (*lines)(const Weight& weight, std::size_t panel, std::size_t firstPair,
                       std::size_t pairs, bf16* scratch);
  // Scales of the 16 outputs of a panel in one group; null in formats that never have groups.
  void (*groupScales)(const Weight& weight, std::size_t panel, std::size_t group, float* scales);
  // sums[row * kQuadRows + output] = x . codes for up to kQuadPanels panels and kFewRows rows, decoded in
  // registers; null where decoding to lines first is as good. Gives the bits of the path over lines.
  void (*few)(const FewRows& product, float* sums);
};

struct Format {
  const char* name;
  std::vector<FormatTensor> tensors;
  Grouping grouping;
  Codes codes;
  std::size_t pairMultiple;  // pairs of a panel are padded to a multiple of this
  PanelBytes (*panelBytes)(const Weight& weight);
  // Packs one panel from the canonical tensors, or quantizes it from BF16 [rows, columns]. Null, or
  // what is wrong with the input.
  const char* (*pack)(const Weight& weight, std::size_t panel, const void* const* tensors);
  const char* (*quantize)(const Weight& weight, std::size_t panel, const bf16* source);
  void (*dequantizeRow)(const Weight& weight, std::size_t row, float* out);
  // BF16 lines of a whole panel, scales applied and rounded, for the plain kernel; null in formats
  // without that kernel.
  void (*dequantizeLines)(const Weight& weight, std::size_t panel, bf16* lines);
  // Quantizes one row of x: code values (exact in BF16) into `values`, and what they are multiplied by:
  // one scale, or one for each of the weight's groups. Null when the format multiplies x as it is.
  void (*quantizeActivations)(const Weight& weight, const bf16* x, bf16* values, float* scales);
  // FP32 scale a row of the weight, applied to the sums; null in formats without. Null is returned for
  // a weight with groups.
  const float* (*rowScales)(const Weight& weight);
  // For the active instruction set; null where the codes are whole numbers.
  const FormatLoops& (*loops)();
};

// The last line of each format's kernel.cc: `static RegisterFormat registered({...})`.
struct RegisterFormat {
  explicit RegisterFormat(Format format);
};

const std::vector<const Format*>& registeredFormats();
const Format* formatNamed(const std::string& name);

}  // namespace quantlab
