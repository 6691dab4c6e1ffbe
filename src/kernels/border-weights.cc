// The border of weights.
#include "border.h"

namespace quantlab {

void exportWeights(Napi::Env, Napi::Object) {}

}  // namespace quantlab
