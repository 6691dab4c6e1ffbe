// The formats whose kernel.cc is linked in.
#include "format.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace quantlab {
namespace {

// Inside a function: initialised before the first registrar, whatever file that is in. Never destroyed:
// formats live as long as the process, like the code they point to.
std::vector<const Format*>& registry() {
  static auto& formats = *new std::vector<const Format*>();
  return formats;
}

}  // namespace

RegisterFormat::RegisterFormat(Format format) {
  registry().push_back(new Format(std::move(format)));
}

const std::vector<const Format*>& registeredFormats() { return registry(); }

const Format* formatNamed(const std::string& name) {
  const auto& formats = registry();
  const auto found = std::find_if(formats.begin(), formats.end(),
                                  [&](const Format* format) { return name == format->name; });
  return found == formats.end() ? nullptr : *found;
}

}  // namespace quantlab
