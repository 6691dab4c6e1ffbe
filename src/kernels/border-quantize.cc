// The border of the quantizers: sizes checked against each other, then one call; no arithmetic.
#include "border.h"
#include "quantize.h"

namespace quantlab {
namespace {

constexpr std::int64_t kMostRows = std::int64_t{1} << 24;
constexpr std::int64_t kMostColumns = std::int64_t{1} << 24;

// An array argument with exactly this many elements.
template <typename T>
T* sizedArgument(const Napi::CallbackInfo& info, std::size_t index, std::size_t count) {
  const auto view = arrayArgument<T>(info, index);
  if (view.count != count)
    throw Napi::RangeError::New(info.Env(), "argument " + std::to_string(index) + " holds " +
                                                std::to_string(view.count) + " elements, expected " +
                                                std::to_string(count));
  return view.data;
}

std::size_t sizeArgument(const Napi::CallbackInfo& info, std::size_t index, std::int64_t most) {
  return static_cast<std::size_t>(integerArgument(info, index, 1, most));
}

std::size_t groupArgument(const Napi::CallbackInfo& info, std::size_t index, std::size_t columns) {
  const auto size = static_cast<std::size_t>(integerArgument(info, index, 32, 128));
  if ((size != 32 && size != 64 && size != 128) || columns % size != 0)
    throw Napi::RangeError::New(info.Env(), "groups must be of 32, 64 or 128 columns and divide " +
                                                std::to_string(columns));
  return size;
}

void quantizeE4m3Call(const Napi::CallbackInfo& info) {
  const std::size_t rows = sizeArgument(info, 1, kMostRows);
  const std::size_t columns = sizeArgument(info, 2, kMostColumns);
  const auto* weight = sizedArgument<std::uint16_t>(info, 0, rows * columns);
  const std::size_t tileRows = sizeArgument(info, 3, kMostRows);
  const std::size_t tileColumns = sizeArgument(info, 4, kMostColumns);
  const double floor = numberArgument(info, 5);
  auto* codes = sizedArgument<std::uint8_t>(info, 6, rows * columns);
  auto* scale = sizedArgument<float>(info, 7, rows * ((columns + tileColumns - 1) / tileColumns));
  if (!(floor >= 0 && floor < 1e30))
    throw Napi::RangeError::New(info.Env(), "the floor must be a finite number, at least 0");
  if (!quantizeE4m3(weight, rows, columns, tileRows, tileColumns, static_cast<float>(floor), codes, scale))
    throw Napi::RangeError::New(info.Env(), "a weight is NaN or infinite");
}

struct Scaled {
  ScaledMatrix matrix;
  GroupRule rule;
};

// Arguments weight, rows, columns, columnScale, rowScale, groupSize, "f16" or "bf16", symmetric.
Scaled scaledArguments(const Napi::CallbackInfo& info) {
  const std::size_t rows = sizeArgument(info, 1, kMostRows);
  const std::size_t columns = sizeArgument(info, 2, kMostColumns);
  const ScaledMatrix matrix{sizedArgument<std::uint16_t>(info, 0, rows * columns), rows, columns,
                            sizedArgument<float>(info, 3, columns), sizedArgument<float>(info, 4, rows)};
  const std::string dtype = stringArgument(info, 6);
  if (dtype != "f16" && dtype != "bf16")
    throw Napi::RangeError::New(info.Env(), "scales must be f16 or bf16, not " + dtype);
  if (!info[7].IsBoolean()) throw Napi::TypeError::New(info.Env(), "argument 7 is not a boolean");
  return {matrix, {groupArgument(info, 5, columns), dtype == "bf16", info[7].As<Napi::Boolean>().Value()}};
}

void quantizeInt4Call(const Napi::CallbackInfo& info) {
  const auto [matrix, rule] = scaledArguments(info);
  const std::size_t groups = matrix.rows * (matrix.columns / rule.size);
  const float* limit = sizedArgument<float>(info, 8, groups);
  auto* codes = sizedArgument<std::uint8_t>(info, 9, matrix.rows * matrix.columns);
  auto* scale = sizedArgument<std::uint16_t>(info, 10, groups);
  auto* zero = sizedArgument<std::uint8_t>(info, 11, groups);
  quantizeInt4(matrix, rule, limit, codes, scale, zero);
}

Napi::Value outputErrorCall(const Napi::CallbackInfo& info) {
  const auto [matrix, rule] = scaledArguments(info);
  const std::size_t tokens = sizeArgument(info, 9, kMostRows);
  const auto* x = sizedArgument<std::uint16_t>(info, 8, tokens * matrix.columns);
  try {
    return Napi::Number::New(info.Env(), outputError(matrix, rule, x, tokens));
  } catch (const std::bad_alloc&) {
    throw Napi::RangeError::New(info.Env(), "the system refused the memory of a search step");
  }
}

void searchLimitsCall(const Napi::CallbackInfo& info) {
  const auto [matrix, rule] = scaledArguments(info);
  const float* gram = sizedArgument<float>(info, 8, matrix.columns * rule.size);
  auto* limit = sizedArgument<float>(info, 9, matrix.rows * (matrix.columns / rule.size));
  searchLimits(matrix, rule, gram, limit);
}

// A width of Gram matrices: a multiple of 32 that divides the columns.
std::size_t widthArgument(const Napi::CallbackInfo& info, std::size_t index, std::size_t columns) {
  const auto width =
      static_cast<std::size_t>(integerArgument(info, index, 32, static_cast<std::int64_t>(kMostGramWidth)));
  if (width % 32 != 0 || columns % width != 0)
    throw Napi::RangeError::New(info.Env(), "Gram matrices must be of a multiple of 32 columns that divides " +
                                                std::to_string(columns));
  return width;
}

void descendCodesCall(const Napi::CallbackInfo& info) {
  const auto [matrix, rule] = scaledArguments(info);
  const std::size_t groups = matrix.rows * (matrix.columns / rule.size);
  const std::size_t width = widthArgument(info, 8, matrix.columns);
  if (width % rule.size != 0)
    throw Napi::RangeError::New(info.Env(), "a Gram matrix must cover whole groups");
  const float* gram = sizedArgument<float>(info, 9, matrix.columns * width);
  const auto* scale = sizedArgument<std::uint16_t>(info, 10, groups);
  const auto* zero = sizedArgument<std::uint8_t>(info, 11, groups);
  descendCodes(matrix, rule, width, gram, scale, zero,
               sizedArgument<std::uint8_t>(info, 12, matrix.rows * matrix.columns));
}

void addGramCall(const Napi::CallbackInfo& info) {
  const std::size_t tokens = sizeArgument(info, 1, kMostRows);
  const std::size_t columns = sizeArgument(info, 2, kMostColumns);
  const auto* x = sizedArgument<std::uint16_t>(info, 0, tokens * columns);
  const std::size_t width = widthArgument(info, 3, columns);
  addGram(x, tokens, columns, width, sizedArgument<float>(info, 4, columns * width));
}

void addMagnitudesCall(const Napi::CallbackInfo& info) {
  const std::size_t rows = sizeArgument(info, 1, kMostRows);
  const std::size_t columns = sizeArgument(info, 2, kMostColumns);
  const auto* x = sizedArgument<std::uint16_t>(info, 0, rows * columns);
  const bool relative = integerArgument(info, 3, 0, 128) != 0;
  const std::size_t groupSize = relative ? groupArgument(info, 3, columns) : 0;
  addMagnitudes(x, rows, columns, groupSize, sizedArgument<float>(info, 4, columns));
}

}  // namespace

void exportQuantizers(Napi::Env env, Napi::Object exports) {
  exports.Set("quantizeE4m3", Napi::Function::New(env, quantizeE4m3Call, "quantizeE4m3"));
  exports.Set("quantizeInt4", Napi::Function::New(env, quantizeInt4Call, "quantizeInt4"));
  exports.Set("outputError", Napi::Function::New(env, outputErrorCall, "outputError"));
  exports.Set("searchLimits", Napi::Function::New(env, searchLimitsCall, "searchLimits"));
  exports.Set("descendCodes", Napi::Function::New(env, descendCodesCall, "descendCodes"));
  exports.Set("addGram", Napi::Function::New(env, addGramCall, "addGram"));
  exports.Set("addMagnitudes", Napi::Function::New(env, addMagnitudesCall, "addMagnitudes"));
}

}  // namespace quantlab
