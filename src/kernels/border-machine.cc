// The border of everything about the machine: CPU facts, thread count, memory accounting, probes.
#include "border.h"
#include "cpu.h"
#include "pool.h"
#include "probe.h"

namespace quantlab {
namespace {

Napi::Value strings(Napi::Env env, const std::vector<std::string>& values) {
  auto array = Napi::Array::New(env, values.size());
  for (std::uint32_t i = 0; i < values.size(); i++) array.Set(i, values[i]);
  return array;
}

Napi::Value cpu(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  std::vector<std::string> available;
  for (Isa isa : availableIsas()) available.emplace_back(isaName(isa));
  auto facts = Napi::Object::New(env);
  facts.Set("isa", isaName(activeIsa()));
  facts.Set("available", strings(env, available));
  facts.Set("features", strings(env, cpuFeatures()));
  facts.Set("model", cpuModel());
  facts.Set("cores", availableCores());
  return facts;
}

void setThreadCount(const Napi::CallbackInfo& info) {
  setThreads(static_cast<int>(integerArgument(info, 0, 1, 1024)));
}

Napi::Value threadCount(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), threads());
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  auto facts = Napi::Object::New(info.Env());
  auto bytes = [](MemoryKind kind) {
    return static_cast<double>(allocatedBytes[static_cast<int>(kind)].load());
  };
  facts.Set("weightBytes", bytes(MemoryKind::weight));
  facts.Set("bufferBytes", bytes(MemoryKind::buffer));
  facts.Set("kvCacheBytes", bytes(MemoryKind::kvCache));
  return facts;
}

Napi::Value readBandwidth(const Napi::CallbackInfo& info) {
  const auto bytes = integerArgument(info, 0, 1, std::int64_t{1} << 40);
  const auto repeats = integerArgument(info, 1, 1, 1000);
  return Napi::Number::New(info.Env(), probeReadBandwidth(static_cast<std::size_t>(bytes),
                                                          static_cast<int>(repeats)));
}

Napi::Value peakFlops(const Napi::CallbackInfo& info) {
  const std::string dtype = stringArgument(info, 0);
  const Operands operands = dtype == "bf16"  ? Operands::bf16
                            : dtype == "int8" ? Operands::int8
                                              : Operands::f32;
  if (operands == Operands::f32 && dtype != "f32")
    throw Napi::TypeError::New(info.Env(),
                               "argument 0 must be \"bf16\", \"f32\" or \"int8\", not " + dtype);
  const double milliseconds = numberArgument(info, 1);
  if (!(milliseconds > 0 && milliseconds <= 60000))
    throw Napi::RangeError::New(info.Env(), "argument 1 must be above 0 and at most 60000 ms");
  return Napi::Number::New(info.Env(), probePeakFlops(operands, milliseconds));
}

}  // namespace

void exportMachine(Napi::Env env, Napi::Object exports) {
  exports.Set("cpu", Napi::Function::New(env, cpu, "cpu"));
  exports.Set("setThreads", Napi::Function::New(env, setThreadCount, "setThreads"));
  exports.Set("threads", Napi::Function::New(env, threadCount, "threads"));
  exports.Set("memory", Napi::Function::New(env, memory, "memory"));
  exports.Set("probeReadBandwidth", Napi::Function::New(env, readBandwidth, "probeReadBandwidth"));
  exports.Set("probePeakFlops", Napi::Function::New(env, peakFlops, "probePeakFlops"));
}

}  // namespace quantlab
