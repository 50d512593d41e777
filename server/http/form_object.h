// A form's fields as one JSON object.
#ifndef MIND_SERVER_HTTP_FORM_OBJECT_H_
#define MIND_SERVER_HTTP_FORM_OBJECT_H_

#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace mind::server {

// How deep a name may lead: "a[b][c]" leads three deep.
inline constexpr size_t kMaxFormDepth = 8;

// Puts `text` where `name` leads in `object`, as clients write what lies in something else: "hires[scale]" is
// a field of an object, "layers[]" an entry of a list, "loras[][name]" a field of a list's last object, or of
// a new one where that has it already. A name that is given twice has the last text. INVALID_ARGUMENT: the
// name is not written so, leads too deep, or into what another has said is a text, an object or a list.
// REQUIRES: `object` is an object.
absl::Status PutFormField(const std::string& name, std::string text, nlohmann::json& object);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_FORM_OBJECT_H_
