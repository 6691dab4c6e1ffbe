// Shared by the checks of the kernels that run without Node.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "fill.h"
#include "format.h"
#include "matmul.h"

namespace quantlab::check {

inline std::vector<bf16> samples(std::size_t count, std::uint64_t seed, double std = 1) {
  std::vector<bf16> values(count);
  fillNormal(values.data(), count, seed, 0, std);
  return values;
}

inline std::vector<float> floats(const std::vector<bf16>& values) {
  std::vector<float> wide(values.size());
  for (std::size_t i = 0; i < values.size(); i++) wide[i] = bf16ToFloat(values[i]);
  return wide;
}

// A format, with groups of columns or without.
struct Variant {
  const Format& format;
  bool grouped;

  std::string name() const {
    return std::string(format.name) +
           (grouped && format.grouping == Grouping::optional ? " in groups" : "");
  }
};

inline std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const Format* format : registeredFormats()) {
    if (format->grouping != Grouping::always) all.push_back({*format, false});
    if (format->grouping != Grouping::never) all.push_back({*format, true});
  }
  return all;
}

inline std::unique_ptr<Weight> quantized(const Variant& variant, std::size_t rows,
                                         std::size_t columns, const std::vector<bf16>& values) {
  const Format& format = variant.format;
  auto weight = std::make_unique<Weight>();
  weight->format = &format;
  weight->rows = rows;
  weight->columns = columns;
  if (variant.grouped) weight->groupSize = columns % 128 == 0 ? 128 : columns % 64 == 0 ? 64 : 32;
  const std::size_t pairs = (columns + 1) / 2;
  weight->pairs = (pairs + format.pairMultiple - 1) / format.pairMultiple * format.pairMultiple;
  const PanelBytes bytes = format.panelBytes(*weight);
  weight->codes = Block(weight->panels() * bytes.codes, MemoryKind::weight);
  if (bytes.scales > 0) weight->scales = Block(weight->panels() * bytes.scales, MemoryKind::weight);
  if (bytes.zeros > 0) weight->zeros = Block(weight->panels() * bytes.zeros, MemoryKind::weight);
  const std::string problem = quantizePanels(*weight, values.data());
  if (!problem.empty()) {
    std::fprintf(stderr, "%s: %s\n", format.name, problem.c_str());
    std::exit(1);
  }
  return weight;
}

// FNV-1a (Fowler, Noll, Vo) of bytes.
class Fingerprint {
 public:
  void add(const void* bytes, std::size_t count) {
    for (std::size_t i = 0; i < count; i++)
      hash_ = (hash_ ^ static_cast<const std::uint8_t*>(bytes)[i]) * 0x100000001b3ull;
  }
  template <typename T>
  void add(const std::vector<T>& values) {
    add(values.data(), values.size() * sizeof(T));
  }
  void add(const Block& block) { add(block.as<void>(), block.bytes()); }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325ull;
};

// Each prints what it looked at and returns how many checks failed.
int checkProducts();
// Rows among few and in a batch, and NaN codes.
int checkRows();
int checkAttention();
// Times attention in decode and prefill beside measured ceilings.
int timeAttention(int threadCount);
// Digits of x in both layouts, and the bits of products in whole numbers.
int checkIntegers();
// What must have the same bits under every instruction set of every machine.
int checkBits();

}  // namespace quantlab::check
