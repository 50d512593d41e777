#include "server/generation/validate_vae.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/generation/nearest_names.h"

namespace mind::server {

absl::Status ResolveVae(const v1::Model& model, v1::ImageSpec& spec) {
  const std::string& name = spec.vae();
  if (name.empty()) {
    if (spec.vae_hash().empty()) return absl::OkStatus();
    return InvalidField("spec.vae_hash", "given without vae, which it is about");
  }
  const auto vae = std::find_if(model.vaes().begin(), model.vaes().end(),
                                [&name](const v1::ModelVae& one) { return one.name() == name; });
  if (vae == model.vaes().end()) {
    std::vector<std::string> fitting;
    for (const v1::ModelVae& one : model.vaes()) {
      if (one.unfit().empty()) fitting.push_back(one.name());
    }
    return InvalidField("spec.vae",
                        fitting.empty()
                            ? std::string("this model has none beside it; it must be empty")
                            : absl::StrCat("\"", Printable(name),
                                           "\" is none beside this model: ", NearestNames(name, fitting)));
  }
  if (!vae->unfit().empty()) {
    return InvalidField("spec.vae",
                        absl::StrCat("\"", Printable(name), "\" does not fit this model: ", vae->unfit()));
  }
  if (spec.vae_hash().empty()) spec.set_vae_hash(vae->hash());
  if (spec.vae_hash() == vae->hash()) return absl::OkStatus();
  return InvalidField("spec.vae_hash",
                      absl::StrCat("\"", Printable(spec.vae_hash()), "\" given; the one named \"",
                                   Printable(name), "\" has ", vae->hash()));
}

}  // namespace mind::server
