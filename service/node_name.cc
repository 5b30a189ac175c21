#include "service/node_name.h"

#include "base/utf8.h"
#include "syncgroup/protocol/types.h"

// The rule is that of the messages in which the name travels. A setting that breaks it is refused;
// the machine's name, which its owner set for other reasons, is made to fit.

namespace waypost::service {

absl::Status CheckNodeName(std::string_view name) {
  return syncgroup::CheckText(name, syncgroup::kNameBytesMax, "a name");
}

std::string NodeNameOf(std::string_view host_name) {
  std::string name;
  while (!host_name.empty()) {
    const auto character = base::FirstCharacter(host_name);
    const bool good = character && !base::IsControl(character->code);
    const std::size_t bytes = character ? character->bytes : 1;
    if (good) {
      name += host_name.substr(0, bytes);
    } else {
      name += '?';
    }
    host_name.remove_prefix(bytes);
  }
  name = base::CutText(name, syncgroup::kNameBytesMax);
  return name.empty() ? "waypost" : name;
}

}  // namespace waypost::service
