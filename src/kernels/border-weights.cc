// The border of weights: checks tensors and shapes against the format, then calls; no arithmetic.
#include <algorithm>
#include <cmath>

#include "border-sequences.h"
#include "border.h"
#include "format.h"
#include "matmul.h"

namespace quantlab {

template <>
struct HandleTag<Weight> {
  static constexpr napi_type_tag value = {0x7175616e746c6162ull, 5};
  static constexpr const char* name = "weight";
};

namespace {

constexpr std::int64_t kMostRows = std::int64_t{1} << 24;
constexpr std::int64_t kMostColumns = std::int64_t{1} << 24;

const Format& formatArgument(const Napi::CallbackInfo& info, std::size_t index) {
  const std::string name = stringArgument(info, index);
  if (const Format* format = formatNamed(name)) return *format;
  std::string known;
  for (const Format* format : registeredFormats()) known += std::string(" ") + format->name;
  throw Napi::RangeError::New(info.Env(), "there is no kernel for format \"" + name + "\", only" + known);
}

Napi::Value option(const Napi::CallbackInfo& info, std::size_t index, const char* name) {
  return info[index].IsObject() ? info[index].As<Napi::Object>().Get(name) : info.Env().Undefined();
}

// options.groupSize of formats with groups; 0 in the others.
std::size_t groupSizeArgument(const Napi::CallbackInfo& info, std::size_t index, const Format& format,
                              std::size_t columns) {
  if (format.grouping == Grouping::never) return 0;
  const Napi::Value value = option(info, index, "groupSize");
  const bool optional = format.grouping == Grouping::optional;
  if (optional && value.IsUndefined()) return 0;
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
  if (number != 32 && number != 64 && number != 128)
    throw Napi::RangeError::New(info.Env(), "options.groupSize must be 32, 64 or 128");
  const auto groupSize = static_cast<std::size_t>(number);
  if (!optional && columns % groupSize != 0)
    throw Napi::RangeError::New(info.Env(), std::to_string(columns) +
                                                " columns are no multiple of the group size " +
                                                std::to_string(groupSize));
  return groupSize;
}

// Whether options.kernel is "plain", for formats that have that kernel.
bool plainArgument(const Napi::CallbackInfo& info, std::size_t index, const Format& format) {
  const Napi::Value value = option(info, index, "kernel");
  if (value.IsUndefined()) return false;
  const std::string name = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (name == "plain" && format.dequantizeLines != nullptr) return true;
  throw Napi::RangeError::New(info.Env(), "format \"" + std::string(format.name) +
                                              "\" has no kernel \"" + name + "\"");
}

// Arguments format, rows, columns, -, options of packWeight and quantizeWeight; memory not yet filled.
std::unique_ptr<Weight> weightArguments(const Napi::CallbackInfo& info) {
  const Format& format = formatArgument(info, 0);
  const auto rows = static_cast<std::size_t>(integerArgument(info, 1, 1, kMostRows));
  const auto columns = static_cast<std::size_t>(integerArgument(info, 2, 1, kMostColumns));
  auto weight = std::make_unique<Weight>();
  weight->format = &format;
  weight->rows = rows;
  weight->columns = columns;
  weight->groupSize = groupSizeArgument(info, 4, format, columns);
  weight->isPlain = plainArgument(info, 4, format);
  const std::size_t pairs = (columns + 1) / 2;
  weight->pairs = (pairs + format.pairMultiple - 1) / format.pairMultiple * format.pairMultiple;
  return weight;
}

void allocate(Napi::Env env, Weight& weight) {
  const PanelBytes bytes = weight.format->panelBytes(weight);
  const std::size_t panels = weight.panels();
  weight.codes = allocateOrThrow(env, panels * bytes.codes, MemoryKind::weight);
  if (bytes.scales > 0) weight.scales = allocateOrThrow(env, panels * bytes.scales, MemoryKind::weight);
  if (bytes.zeros > 0) weight.zeros = allocateOrThrow(env, panels * bytes.zeros, MemoryKind::weight);
}

const char* arrayName(ElementType type) {
  switch (type) {
    case ElementType::u8: return "Uint8Array";
    case ElementType::u16: return "Uint16Array";
    case ElementType::f32: break;
  }
  return "Float32Array";
}

napi_typedarray_type arrayType(ElementType type) {
  switch (type) {
    case ElementType::u8: return napi_uint8_array;
    case ElementType::u16: return napi_uint16_array;
    case ElementType::f32: break;
  }
  return napi_float32_array;
}

std::size_t extentOf(const Weight& weight, Extent extent) {
  switch (extent) {
    case Extent::weight: return weight.rows * weight.columns;
    case Extent::row: return weight.rows * std::max<std::size_t>(1, weight.groups());
    case Extent::group: break;
  }
  return weight.rows * weight.groups();
}

const void* tensorData(Napi::Env env, const Napi::Object& tensors, const FormatTensor& tensor,
                       std::size_t wanted) {
  const Napi::Value value = tensors.Get(tensor.name);
  napi_typedarray_type type;
  std::size_t count = 0;
  void* data = nullptr;
  if (!value.IsTypedArray() ||
      napi_get_typedarray_info(env, value, &type, &count, &data, nullptr, nullptr) != napi_ok ||
      type != arrayType(tensor.type))
    throw Napi::TypeError::New(env, std::string("tensors.") + tensor.name + " is not a " +
                                        arrayName(tensor.type));
  if (count != wanted)
    throw Napi::RangeError::New(env, std::string("tensors.") + tensor.name + " holds " +
                                         std::to_string(count) + " elements, expected " +
                                         std::to_string(wanted));
  return data;
}

// tensors.inputScale of formats that round activations: one number for every row of x; 0 without.
float activationScale(Napi::Env env, const Napi::Object& tensors, const Weight& weight) {
  if (weight.format->quantizeActivations == nullptr || !tensors.Has("inputScale")) return 0;
  const FormatTensor tensor{"inputScale", ElementType::f32, Extent::weight};
  const float scale = *static_cast<const float*>(tensorData(env, tensors, tensor, 1));
  if (!(scale > 0) || !std::isfinite(scale) || !std::isfinite(1 / scale) || weight.groupSize != 0)
    throw Napi::RangeError::New(env, "tensors.inputScale must be positive and finite, and the weight "
                                     "without groups");
  return scale;
}

Napi::Value packWeightCall(const Napi::CallbackInfo& info) {
  auto weight = weightArguments(info);
  if (!info[3].IsObject()) throw Napi::TypeError::New(info.Env(), "argument 3 is not an object");
  const auto tensors = info[3].As<Napi::Object>();
  std::vector<const void*> data;
  for (const FormatTensor& tensor : weight->format->tensors)
    data.push_back(tensorData(info.Env(), tensors, tensor, extentOf(*weight, tensor.extent)));
  weight->activationScale = activationScale(info.Env(), tensors, *weight);
  allocate(info.Env(), *weight);
  const std::string problem = packPanels(*weight, data.data());
  if (!problem.empty()) throw Napi::RangeError::New(info.Env(), problem);
  return wrapHandle(info.Env(), std::move(weight));
}

Napi::Value quantizeWeightCall(const Napi::CallbackInfo& info) {
  auto weight = weightArguments(info);
  const auto source = arrayArgument<std::uint16_t>(info, 3);
  if (source.count != weight->rows * weight->columns)
    throw Napi::RangeError::New(info.Env(), "weight holds " + std::to_string(source.count) +
                                                " elements, expected " +
                                                std::to_string(weight->rows * weight->columns));
  allocate(info.Env(), *weight);
  const std::string problem = quantizePanels(*weight, source.data);
  if (!problem.empty()) throw Napi::RangeError::New(info.Env(), problem);
  return wrapHandle(info.Env(), std::move(weight));
}

// A weight that was not freed.
Weight& weightArgument(const Napi::CallbackInfo& info, std::size_t index) {
  Weight& weight = unwrapHandle<Weight>(info, index);
  if (weight.codes.as<void>() == nullptr)
    throw Napi::RangeError::New(info.Env(), "the weight was freed");
  return weight;
}

Napi::Value weightBytesCall(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(weightArgument(info, 0).bytes()));
}

Napi::Value dequantizeRowCall(const Napi::CallbackInfo& info) {
  const Weight& weight = weightArgument(info, 0);
  const auto row = static_cast<std::size_t>(
      integerArgument(info, 1, 0, static_cast<std::int64_t>(weight.rows) - 1));
  auto out = Napi::Float32Array::New(info.Env(), weight.columns);
  weight.format->dequantizeRow(weight, row, out.Data());
  if (weight.isPlain)
    for (std::size_t k = 0; k < weight.columns; k++)
      out.Data()[k] = bf16ToFloat(floatToBf16(out.Data()[k]));
  return out;
}

void freeWeightCall(const Napi::CallbackInfo& info) {
  Weight& weight = unwrapHandle<Weight>(info, 0);
  weight.codes.reset();
  weight.scales.reset();
  weight.zeros.reset();
}

void linearCall(const Napi::CallbackInfo& info) {
  const Weight& weight = weightArgument(info, 0);
  const auto m = static_cast<std::size_t>(integerArgument(info, 2, 0, kMostRows));
  const Buffer& x = bufferArgument(info, 1, BufferDtype::bf16, m * weight.columns);
  LinearOutput out;
  if (unwrapHandle<Buffer>(info, 3).dtype == BufferDtype::f32)
    out.single = bufferArgument(info, 3, BufferDtype::f32, m * weight.rows).block.as<float>();
  else
    out.brain = bufferArgument(info, 3, BufferDtype::bf16, m * weight.rows).block.as<bf16>();
  if (x.block.as<void>() == (out.brain != nullptr ? static_cast<void*>(out.brain)
                                                  : static_cast<void*>(out.single)))
    throw Napi::RangeError::New(info.Env(), "x and out must be different buffers");
  linear(weight, x.block.as<bf16>(), m, out);
}

void embedCall(const Napi::CallbackInfo& info) {
  const Weight& weight = weightArgument(info, 0);
  if (std::string(weight.format->name) != "bf16")
    throw Napi::TypeError::New(info.Env(), std::string("embed takes a bf16 weight, not ") +
                                               weight.format->name);
  const Batch& batch = unwrapHandle<Batch>(info, 1);
  const std::size_t tokens = batch.tokenIds.size();
  for (std::int32_t token : batch.tokenIds)
    if (token < 0 || static_cast<std::size_t>(token) >= weight.rows)
      throw Napi::RangeError::New(info.Env(), "token " + std::to_string(token) +
                                                  " is outside a vocabulary of " +
                                                  std::to_string(weight.rows));
  const Buffer& out = bufferArgument(info, 2, BufferDtype::bf16, tokens * weight.columns);
  embed(weight, batch.tokenIds.data(), tokens, out.block.as<bf16>());
}

Napi::Value formatsCall(const Napi::CallbackInfo& info) {
  auto names = Napi::Array::New(info.Env());
  std::uint32_t index = 0;
  for (const Format* format : registeredFormats())
    names.Set(index++, Napi::String::New(info.Env(), format->name));
  return names;
}

}  // namespace

void exportWeights(Napi::Env env, Napi::Object exports) {
  exports.Set("formats", Napi::Function::New(env, formatsCall, "formats"));
  exports.Set("packWeight", Napi::Function::New(env, packWeightCall, "packWeight"));
  exports.Set("quantizeWeight", Napi::Function::New(env, quantizeWeightCall, "quantizeWeight"));
  exports.Set("weightBytes", Napi::Function::New(env, weightBytesCall, "weightBytes"));
  exports.Set("dequantizeRow", Napi::Function::New(env, dequantizeRowCall, "dequantizeRow"));
  exports.Set("freeWeight", Napi::Function::New(env, freeWeightCall, "freeWeight"));
  exports.Set("linear", Napi::Function::New(env, linearCall, "linear"));
  exports.Set("embed", Napi::Function::New(env, embedCall, "embed"));
}

}  // namespace quantlab
