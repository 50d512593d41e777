#include "server/generation/validate_controls.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/generation/model_input.h"
#include "server/generation/nearest_names.h"

namespace mind::server {
namespace {

constexpr double kMaxControlWeight = 2;
constexpr double kDefaultPictureGuidance = 1.5, kMaxPictureGuidance = 100;
constexpr double kDefaultPriorGuidance = 4;
constexpr char kMiddle[] = "mid";
constexpr int kMostLayers = 16;
constexpr size_t kMaxLayerBytes = 256;

// REQUIRES: the network is one of those allowed.
absl::Status CheckKind(const std::string& field, const v1::ModelInput& allowed,
                       const v1::ControlPicture& control) {
  const auto place = std::find(allowed.networks().begin(), allowed.networks().end(), control.network()) -
                     allowed.networks().begin();
  const uint32_t kinds =
      place < allowed.network_kinds_size() ? allowed.network_kinds(static_cast<int>(place)) : 0;
  if (kinds == 0) {
    if (!control.has_kind()) return absl::OkStatus();
    return InvalidField(field + ".kind", "this network knows one kind of picture");
  }
  if (control.has_kind() && control.kind() < kinds) return absl::OkStatus();
  return InvalidField(field + ".kind",
                      absl::StrCat(control.has_kind() ? absl::StrCat(control.kind(), " given; ") : "",
                                   "this network needs one, 0 to ", kinds - 1));
}

absl::Status ResolveControl(const std::string& field, const v1::ModelInput& allowed,
                            v1::ControlPicture& control) {
  const auto& networks = allowed.networks();
  if (std::find(networks.begin(), networks.end(), control.network()) == networks.end()) {
    return InvalidField(field + ".network",
                        absl::StrCat("\"", Printable(control.network()), "\" is none of this model's: ",
                                     NearestNames(control.network(), {networks.begin(), networks.end()})));
  }
  if (absl::Status error = CheckKind(field, allowed, control); !error.ok()) return error;
  if (control.image().empty())
    return InvalidField(field + ".image", "a control needs the picture that its network sees");
  if (!control.has_weight()) control.set_weight(1);
  if (!(control.weight() >= 0 && control.weight() <= kMaxControlWeight)) {
    return InvalidField(field + ".weight",
                        absl::StrCat(control.weight(), " given; it must be 0 to ", kMaxControlWeight));
  }
  if (!control.has_begin()) control.set_begin(0);
  if (!control.has_end()) control.set_end(1);
  if (!(control.end() > 0 && control.end() <= 1))
    return InvalidField(field + ".end",
                        absl::StrCat(control.end(), " given; it must be more than 0, up to 1"));
  if (!(control.begin() >= 0 && control.begin() < control.end())) {
    return InvalidField(field + ".begin", absl::StrCat(control.begin(), " given; it must be 0 to less than ",
                                                       control.end(), ", where it ends"));
  }
  return absl::OkStatus();
}

absl::Status ResolvePictureGuidance(const v1::Model& model, v1::ImageSpec& spec) {
  if (!model.takes_picture_guidance()) {
    if (!spec.has_picture_guidance()) return absl::OkStatus();
    return InvalidField("spec.picture_guidance", "this model takes none");
  }
  if (!spec.has_picture_guidance()) spec.set_picture_guidance(kDefaultPictureGuidance);
  if (spec.picture_guidance() >= 0 && spec.picture_guidance() <= kMaxPictureGuidance) return absl::OkStatus();
  return InvalidField("spec.picture_guidance",
                      absl::StrCat(spec.picture_guidance(), " given; it must be 0 to ", kMaxPictureGuidance));
}

absl::Status ResolvePriorGuidance(const v1::Model& model, v1::ImageSpec& spec) {
  if (!model.takes_prior_guidance()) {
    if (!spec.has_prior_guidance()) return absl::OkStatus();
    return InvalidField("spec.prior_guidance", "this model takes none");
  }
  if (!spec.has_prior_guidance()) spec.set_prior_guidance(kDefaultPriorGuidance);
  if (spec.prior_guidance() >= 0 && spec.prior_guidance() <= kMaxPictureGuidance) return absl::OkStatus();
  return InvalidField("spec.prior_guidance",
                      absl::StrCat(spec.prior_guidance(), " given; it must be 0 to ", kMaxPictureGuidance));
}

// What says nothing is taken out, so that it runs anywhere.
absl::Status ResolvePerturbedInterval(const v1::Model& model, v1::PerturbedGuidance& guidance) {
  if (!model.has_perturbed_interval()) {
    if (!guidance.has_interval()) return absl::OkStatus();
    return InvalidField("spec.perturbed_guidance.interval", "this model takes none");
  }
  const v1::PerturbedInterval& usual = model.perturbed_interval();
  v1::PerturbedInterval& interval = *guidance.mutable_interval();
  if (!interval.has_begin() && usual.has_begin()) interval.set_begin(usual.begin());
  if (!interval.has_end()) interval.set_end(usual.has_end() ? usual.end() : 1);
  if (!(interval.end() > 0 && interval.end() <= 1)) {
    return InvalidField("spec.perturbed_guidance.interval.end",
                        absl::StrCat(interval.end(), " given; it must be more than 0, up to 1"));
  }
  if (!(interval.begin() >= 0 && interval.begin() < interval.end())) {
    return InvalidField("spec.perturbed_guidance.interval.begin",
                        absl::StrCat(interval.begin(), " given; it must be 0 to less than ", interval.end(),
                                     ", where it ends"));
  }
  if (!interval.has_begin() && interval.end() == 1) guidance.clear_interval();
  return absl::OkStatus();
}

absl::Status ResolvePerturbed(const v1::Model& model, v1::ImageSpec& spec) {
  if (!spec.has_perturbed_guidance()) return absl::OkStatus();
  if (!model.takes_perturbed_guidance())
    return InvalidField("spec.perturbed_guidance", "this model takes none");
  v1::PerturbedGuidance& guidance = *spec.mutable_perturbed_guidance();
  if (!(guidance.scale() > 0 && guidance.scale() <= kMaxPictureGuidance)) {
    return InvalidField(
        "spec.perturbed_guidance.scale",
        absl::StrCat(guidance.scale(), " given; it must be more than 0, up to ", kMaxPictureGuidance));
  }
  if (!(guidance.fall() >= 0 && guidance.fall() <= 1)) {
    return InvalidField("spec.perturbed_guidance.fall",
                        absl::StrCat(guidance.fall(), " given; it must be 0 to 1"));
  }
  if (guidance.layers().empty()) guidance.add_layers(kMiddle);
  if (guidance.layers_size() > kMostLayers) {
    return InvalidField(
        "spec.perturbed_guidance.layers",
        absl::StrCat(guidance.layers_size(), " given, at most ", kMostLayers, " are allowed"));
  }
  for (const std::string& layer : guidance.layers()) {
    if (layer.empty() || layer.size() > kMaxLayerBytes)
      return InvalidField("spec.perturbed_guidance.layers",
                          absl::StrCat("each must have 1 to ", kMaxLayerBytes, " bytes"));
  }
  return ResolvePerturbedInterval(model, guidance);
}

bool Can(const v1::Model& model, v1::Task task) {
  return std::find(model.tasks().begin(), model.tasks().end(), task) != model.tasks().end();
}

}  // namespace

bool Edits(const v1::Model& model) {
  return Can(model, v1::TASK_EDIT);
}

bool MakesOfPrompt(const v1::Model& model) {
  return Can(model, v1::TASK_TEXT_TO_IMAGE);
}

bool Varies(const v1::Model& model) {
  return Can(model, v1::TASK_VARIATION);
}

absl::Status ResolveControls(const v1::Model& model, v1::ImageSpec& spec) {
  if (absl::Status error = ResolvePictureGuidance(model, spec); !error.ok()) return error;
  if (absl::Status error = ResolvePriorGuidance(model, spec); !error.ok()) return error;
  if (absl::Status error = ResolvePerturbed(model, spec); !error.ok()) return error;
  if (spec.controls().empty()) return absl::OkStatus();
  const v1::ModelInput* const allowed = InputOf(model, v1::INPUT_ROLE_CONTROL);
  if (allowed == nullptr) return InvalidField("spec.controls", "this model has no networks for them");
  if (spec.controls_size() > static_cast<int>(allowed->most())) {
    return InvalidField("spec.controls", absl::StrCat(spec.controls_size(), " given, at most ",
                                                      allowed->most(), " are allowed"));
  }
  std::set<std::pair<std::string, uint32_t>> kinds;  // by network
  std::map<std::string, bool> guesses;               // whether those of several kinds are in guess mode
  for (int i = 0; i < spec.controls_size(); ++i) {
    const std::string field = absl::StrCat("spec.controls[", i, "]");
    v1::ControlPicture& control = *spec.mutable_controls(i);
    if (absl::Status error = ResolveControl(field, *allowed, control); !error.ok()) return error;
    if (!control.has_kind()) continue;
    if (!kinds.emplace(control.network(), control.kind()).second) {
      return InvalidField(field + ".kind",
                          absl::StrCat(control.kind(), " given again; the network \"",
                                       Printable(control.network()), "\" takes one picture of a kind"));
    }
    // It sees them at once.
    if (guesses.try_emplace(control.network(), control.guess_mode()).first->second != control.guess_mode()) {
      return InvalidField(field + ".guess_mode",
                          absl::StrCat("pictures of the network \"", Printable(control.network()),
                                       "\" are in guess mode all or none"));
    }
  }
  return absl::OkStatus();
}

}  // namespace mind::server
