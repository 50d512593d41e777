#include "server/generation/validate_picture_prompts.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/generation/model_input.h"
#include "server/generation/nearest_names.h"

namespace mind::server {
namespace {

constexpr double kMaxPromptWeight = 2;
constexpr int kMostLayerWeights = 16;
constexpr size_t kMaxLayerNameBytes = 256;

absl::Status CheckWeight(const std::string& field, double weight) {
  if (weight >= 0 && weight <= kMaxPromptWeight) return absl::OkStatus();  // NaN is neither
  return InvalidField(field, absl::StrCat(weight, " given; it must be 0 to ", kMaxPromptWeight));
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
  if (prompt.layers_size() > kMostLayerWeights) {
    return InvalidField(field + ".layers", absl::StrCat(prompt.layers_size(), " given, at most ",
                                                        kMostLayerWeights, " are allowed"));
  }
  for (const v1::LayerWeight& layer : prompt.layers()) {
    if (layer.layer().empty() || layer.layer().size() > kMaxLayerNameBytes)
      return InvalidField(field + ".layers",
                          absl::StrCat("each needs a name of 1 to ", kMaxLayerNameBytes, " bytes"));
    if (absl::Status error = CheckWeight(field + ".layers.weight", layer.weight()); !error.ok()) return error;
  }
  return absl::OkStatus();
}

bool SameLayers(const v1::PicturePrompt& a, const v1::PicturePrompt& b) {
  return std::equal(a.layers().begin(), a.layers().end(), b.layers().begin(), b.layers().end(),
                    [](const v1::LayerWeight& one, const v1::LayerWeight& other) {
                      return one.layer() == other.layer() && one.weight() == other.weight();
                    });
}

// Another picture of the same adapter goes before: without masks they are seen as one.
absl::Status CheckAlike(const std::string& field, const v1::PicturePrompt& before,
                        const v1::PicturePrompt& prompt) {
  const std::string adapter = absl::StrCat("\"", Printable(prompt.adapter()), "\"");
  if (prompt.mask().empty() != before.mask().empty()) {
    return InvalidField(field + ".mask",
                        absl::StrCat("pictures of the adapter ", adapter, " have masks all or none"));
  }
  if (!prompt.mask().empty()) return absl::OkStatus();
  if (prompt.weight() != before.weight()) {
    return InvalidField(field + ".weight", absl::StrCat(prompt.weight(), " given, ", before.weight(),
                                                        " before; pictures of the adapter ", adapter,
                                                        " without masks have one weight"));
  }
  if (SameLayers(before, prompt)) return absl::OkStatus();
  return InvalidField(field + ".layers", absl::StrCat("pictures of the adapter ", adapter,
                                                      " without masks act in the same layers"));
}

}  // namespace

absl::Status ResolvePicturePrompts(const v1::Model& model, v1::ImageSpec& spec) {
  if (spec.picture_prompts().empty()) return absl::OkStatus();
  const v1::ModelInput* const allowed = InputOf(model, v1::INPUT_ROLE_PROMPT);
  if (allowed == nullptr) return InvalidField("spec.picture_prompts", "this model has no adapters for them");
  if (spec.picture_prompts_size() > static_cast<int>(allowed->most())) {
    return InvalidField("spec.picture_prompts", absl::StrCat(spec.picture_prompts_size(), " given, at most ",
                                                             allowed->most(), " are allowed"));
  }
  std::map<std::string, int> first;  // of each adapter
  for (int i = 0; i < spec.picture_prompts_size(); ++i) {
    const std::string field = absl::StrCat("spec.picture_prompts[", i, "]");
    v1::PicturePrompt& prompt = *spec.mutable_picture_prompts(i);
    if (absl::Status error = ResolvePrompt(field, *allowed, prompt); !error.ok()) return error;
    const auto [before, added] = first.try_emplace(prompt.adapter(), i);
    if (added) continue;
    if (absl::Status error = CheckAlike(field, spec.picture_prompts(before->second), prompt); !error.ok())
      return error;
  }
  return absl::OkStatus();
}

}  // namespace mind::server
