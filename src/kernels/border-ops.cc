// The border of the ops on rows: checks shapes against the buffers, then calls; no arithmetic.
#include "border.h"
#include "row-ops.h"
#include "sample.h"

namespace quantlab {
namespace {

// Far above any model, and small enough that no product of two of them and a dtype overflows.
constexpr std::int64_t kMostRows = std::int64_t{1} << 24;
constexpr std::int64_t kMostColumns = std::int64_t{1} << 24;

float epsArgument(const Napi::CallbackInfo& info, std::size_t index) {
  const double eps = numberArgument(info, index);
  if (!(eps >= 0 && eps < 1)) throw Napi::RangeError::New(info.Env(), "eps must be in [0, 1)");
  return static_cast<float>(eps);
}

void rmsNormCall(const Napi::CallbackInfo& info) {
  const float eps = epsArgument(info, 2);
  const auto rows = static_cast<std::size_t>(integerArgument(info, 3, 0, kMostRows));
  const auto columns = static_cast<std::size_t>(integerArgument(info, 4, 1, kMostColumns));
  const Buffer& x = bufferArgument(info, 0, BufferDtype::bf16, rows * columns);
  const Buffer& weight = bufferArgument(info, 1, BufferDtype::bf16, columns);
  const Buffer& out = bufferArgument(info, 5, BufferDtype::bf16, rows * columns);
  rmsNorm(x.block.as<bf16>(), weight.block.as<bf16>(), eps, rows, columns, out.block.as<bf16>());
}

void addRmsNormCall(const Napi::CallbackInfo& info) {
  const float eps = epsArgument(info, 3);
  const auto rows = static_cast<std::size_t>(integerArgument(info, 4, 0, kMostRows));
  const auto columns = static_cast<std::size_t>(integerArgument(info, 5, 1, kMostColumns));
  const Buffer& residual = bufferArgument(info, 0, BufferDtype::bf16, rows * columns);
  const Buffer& x = bufferArgument(info, 1, BufferDtype::bf16, rows * columns);
  const Buffer& weight = bufferArgument(info, 2, BufferDtype::bf16, columns);
  const Buffer& out = bufferArgument(info, 6, BufferDtype::bf16, rows * columns);
  addRmsNorm(residual.block.as<bf16>(), x.block.as<bf16>(), weight.block.as<bf16>(), eps, rows,
             columns, out.block.as<bf16>());
}

void addBiasCall(const Napi::CallbackInfo& info) {
  const auto rows = static_cast<std::size_t>(integerArgument(info, 2, 0, kMostRows));
  const auto columns = static_cast<std::size_t>(integerArgument(info, 3, 1, kMostColumns));
  const Buffer& x = bufferArgument(info, 0, BufferDtype::bf16, rows * columns);
  const Buffer& bias = bufferArgument(info, 1, BufferDtype::bf16, columns);
  addBias(x.block.as<bf16>(), bias.block.as<bf16>(), rows, columns);
}

void siluMultiplyCall(const Napi::CallbackInfo& info) {
  const auto m = static_cast<std::size_t>(integerArgument(info, 1, 0, kMostRows));
  const auto intermediate = static_cast<std::size_t>(integerArgument(info, 2, 1, kMostColumns));
  const Buffer& gateUp = bufferArgument(info, 0, BufferDtype::bf16, 2 * m * intermediate);
  const Buffer& out = bufferArgument(info, 3, BufferDtype::bf16, m * intermediate);
  siluMultiply(gateUp.block.as<bf16>(), m, intermediate, out.block.as<bf16>());
}

// One row of f32 logits [rows, vocabSize]: arguments 0, 1, 2.
const float* logitsArgument(const Napi::CallbackInfo& info, std::size_t* vocabSize) {
  const auto row = static_cast<std::size_t>(integerArgument(info, 1, 0, kMostRows));
  *vocabSize = static_cast<std::size_t>(integerArgument(info, 2, 1, kMostColumns));
  const Buffer& logits = bufferArgument(info, 0, BufferDtype::f32, (row + 1) * *vocabSize);
  return logits.block.as<float>() + row * *vocabSize;
}

Napi::Value argmaxCall(const Napi::CallbackInfo& info) {
  std::size_t vocabSize = 0;
  const float* logits = logitsArgument(info, &vocabSize);
  return Napi::Number::New(info.Env(), static_cast<double>(argmax(logits, vocabSize)));
}

// Arguments logits, rows, vocabSize.
Napi::Value argmaxRowsCall(const Napi::CallbackInfo& info) {
  const auto rows = static_cast<std::size_t>(integerArgument(info, 1, 0, kMostRows));
  const auto vocabSize = static_cast<std::size_t>(integerArgument(info, 2, 1, kMostColumns));
  const Buffer& logits = bufferArgument(info, 0, BufferDtype::f32, rows * vocabSize);
  auto tokens = Napi::Int32Array::New(info.Env(), rows);
  argmaxRows(logits.block.as<float>(), rows, vocabSize, tokens.Data());
  return tokens;
}

Napi::Value sampleCall(const Napi::CallbackInfo& info) {
  std::size_t vocabSize = 0;
  const float* logits = logitsArgument(info, &vocabSize);
  const double temperature = numberArgument(info, 3);
  const auto topK = static_cast<std::size_t>(integerArgument(info, 4, 0, kMostColumns));
  const double topP = numberArgument(info, 5);
  const double uniform = numberArgument(info, 6);
  // Below 1e-6 the reciprocal meets FP32's range; such a distribution is the argmax.
  if (!(temperature >= 1e-6 && temperature <= 1e6))
    throw Napi::RangeError::New(info.Env(),
                                "temperature must be from 1e-6 to 1e6; for 0 call argmax");
  if (!(topP > 0 && topP <= 1))
    throw Napi::RangeError::New(info.Env(), "topP must be above 0 and at most 1");
  if (!(uniform >= 0 && uniform < 1))
    throw Napi::RangeError::New(info.Env(), "uniform must be in [0, 1)");
  if (!std::isfinite(logits[argmax(logits, vocabSize)]))
    throw Napi::RangeError::New(info.Env(), "the largest logit is not finite");
  const SampleChoice choice{static_cast<float>(temperature), topK, topP, uniform};
  return Napi::Number::New(info.Env(), static_cast<double>(sample(logits, vocabSize, choice)));
}

}  // namespace

void exportOps(Napi::Env env, Napi::Object exports) {
  exports.Set("rmsNorm", Napi::Function::New(env, rmsNormCall, "rmsNorm"));
  exports.Set("addRmsNorm", Napi::Function::New(env, addRmsNormCall, "addRmsNorm"));
  exports.Set("addBias", Napi::Function::New(env, addBiasCall, "addBias"));
  exports.Set("siluMultiply", Napi::Function::New(env, siluMultiplyCall, "siluMultiply"));
  exports.Set("argmax", Napi::Function::New(env, argmaxCall, "argmax"));
  exports.Set("argmaxRows", Napi::Function::New(env, argmaxRowsCall, "argmaxRows"));
  exports.Set("sample", Napi::Function::New(env, sampleCall, "sample"));
}

}  // namespace quantlab
