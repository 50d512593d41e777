#include "server/generation/validate_picture_prompts.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/generation/nearest_names.h"

namespace mind::server {
namespace {

constexpr double kMaxWeight = 2;
constexpr int kMostLayers = 16;
constexpr size_t kMaxLayerBytes = 256;

absl::Status CheckWeight(const std::string& field, double weight) {
  if (weight >= 0 && weight <= kMaxWeight) return absl::OkStatus();  // NaN is neither
  return InvalidField(field, absl::StrCat(weight, " given; it must be 0 to ", kMaxWeight));
}

absl::Status ResolvePrompt(const std::string& field, const v1::ModelInput& allowed,
                           v1::PicturePrompt& prompt) {
  const auto& adapters = allowed.networks();
  if (std::find(adapters.begin(), adapters.end(), prompt.adapter()) == adapters.end()) {
    return InvalidField(field + ".adapter",
                        absl::StrCat("\"", Printable(prompt.adapter()), "\" is none of this model's: ",
                                     NearestNames(prompt.adapter(), {adapters.begin(), adapters.end()})));
  }
  if (prompt.image().empty()) return InvalidField(field + ".image", "a picture prompt needs its picture");
  if (!prompt.has_weight()) prompt.set_weight(1);
  if (absl::Status error = CheckWeight(field + ".weight", prompt.weight()); !error.ok()) return error;
  if (prompt.layers_size() > kMostLayers) {
    return InvalidField(field + ".layers",
                        absl::StrCat(prompt.layers_size(), " given, at most ", kMostLayers, " are allowed"));
  }
  for (const v1::LayerWeight& layer : prompt.layers()) {
    if (layer.layer().empty() || layer.layer().size() > kMaxLayerBytes)
      return InvalidField(field + ".layers",
                          absl::StrCat("each needs a name of 1 to ", kMaxLayerBytes, " bytes"));
    if (absl::Status error = CheckWeight(field + ".layers.weight", layer.weight()); !error.ok()) return error;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolvePicturePrompts(const v1::Model& model, v1::ImageSpec& spec) {
  if (spec.picture_prompts().empty()) return absl::OkStatus();
  const auto allowed =
      std::find_if(model.inputs().begin(), model.inputs().end(),
                   [](const v1::ModelInput& input) { return input.role() == v1::INPUT_ROLE_PROMPT; });
  if (allowed == model.inputs().end())
    return InvalidField("spec.picture_prompts", "this model has no adapters for them");
  if (spec.picture_prompts_size() > static_cast<int>(allowed->most())) {
    return InvalidField("spec.picture_prompts", absl::StrCat(spec.picture_prompts_size(), " given, at most ",
                                                             allowed->most(), " are allowed"));
  }
  for (int i = 0; i < spec.picture_prompts_size(); ++i) {
    if (absl::Status error = ResolvePrompt(absl::StrCat("spec.picture_prompts[", i, "]"), *allowed,
                                           *spec.mutable_picture_prompts(i));
        !error.ok()) {
      return error;
    }
  }
  return absl::OkStatus();
}

}  // namespace mind::server
