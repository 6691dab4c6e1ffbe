// The addon's entry: collects the functions of the border files; no arithmetic.
#include "border.h"
#include "cpu.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  if (!quantlab::isaError().empty()) throw Napi::Error::New(env, quantlab::isaError());
  quantlab::exportMachine(env, exports);
  quantlab::exportBuffers(env, exports);
  quantlab::exportWeights(env, exports);
  quantlab::exportOps(env, exports);
  quantlab::exportSequences(env, exports);
  quantlab::exportQuantizers(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(kernels, initialise)
