#include "server/dispatch/offer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mind::server {
namespace {

std::set<std::string> SamplerNames(const v1::Model& model) {
  std::set<std::string> names;
  for (const v1::Sampler& sampler : model.samplers()) names.insert(sampler.name());
  return names;
}

// What pictures of a role may name, with the kinds that each of those knows.
std::map<std::string, uint32_t> NetworksFor(v1::InputRole role, const v1::Model& model) {
  std::map<std::string, uint32_t> networks;
  for (const v1::ModelInput& input : model.inputs()) {
    if (input.role() != role) continue;
    for (int i = 0; i < input.networks_size(); ++i)
      networks[input.networks(i)] = i < input.network_kinds_size() ? input.network_kinds(i) : 0;
  }
  return networks;
}

uint32_t MostOf(v1::InputRole role, const v1::Model& model) {
  for (const v1::ModelInput& input : model.inputs()) {
    if (input.role() == role) return input.most();
  }
  return 0;
}

std::set<std::string> NamesOf(const std::map<std::string, uint32_t>& networks) {
  std::set<std::string> names;
  for (const auto& [name, kinds] : networks) names.insert(name);
  return names;
}

// Names may hold anything: each goes with its length.
std::string Joined(const std::set<std::string>& names) {
  std::string joined = absl::StrCat(names.size(), ";");
  for (const std::string& name : names) absl::StrAppend(&joined, name.size(), ":", name);
  return joined;
}

// Likewise, of networks: what is joined says which number is whose.
std::string Joined(const std::map<std::string, uint32_t>& networks) {
  std::string joined = Joined(NamesOf(networks));
  for (const auto& [name, kinds] : networks) absl::StrAppend(&joined, kinds, ",");
  return joined;
}

std::string VaeKey(const std::string& name, const std::string& hash) {
  return absl::StrCat(hash, " ", name);
}

// Autoencoders that fit, each by its file and not its name alone.
std::set<std::string> VaesOf(const v1::Model& model) {
  std::set<std::string> vaes;
  for (const v1::ModelVae& vae : model.vaes()) {
    if (vae.unfit().empty()) vaes.insert(VaeKey(vae.name(), vae.hash()));
  }
  return vaes;
}

// Whether it changes or varies a picture, which a request has to bring.
bool NeedsSource(const v1::Model& model) {
  const auto can = [&model](v1::Task task) {
    return std::find(model.tasks().begin(), model.tasks().end(), task) != model.tasks().end();
  };
  return (can(v1::TASK_EDIT) && !can(v1::TASK_TEXT_TO_IMAGE)) || can(v1::TASK_VARIATION);
}

bool HasThirdPrompt(const v1::ImageSpec& spec) {
  return !spec.prompt_3().empty() || !spec.negative_prompt_3().empty();
}

// More of its pictures than workers of earlier versions know.
bool SaysHowItIsPainted(const v1::ImageSpec& spec) {
  return spec.source_fit() != v1::SOURCE_FIT_UNSPECIFIED || spec.has_mask_blur() || spec.has_only_masked();
}

}  // namespace

Offer::Offer(const v1::Model& model)
    : revision_(model.revision()),
      default_megapixels_(1e-6 * model.default_width() * model.default_height()),
      size_multiple_(std::max<uint32_t>(model.size_multiple(), 1)),
      max_width_(model.max_width()),
      max_height_(model.max_height()),
      max_steps_(model.max_steps()),
      max_clip_skip_(model.max_clip_skip()),
      takes_source_(model.takes_source_image()),
      references_(MostOf(v1::INPUT_ROLE_REFERENCE, model)),
      enlarges_(model.enlargement() > 1),
      needs_mask_(model.needs_mask_image()),
      needs_depth_(model.needs_depth_image()),
      needs_source_(NeedsSource(model)),
      takes_source_fit_(model.takes_source_fit()),
      takes_hires_(model.takes_hires()),
      takes_tiling_(model.takes_tiling()),
      takes_third_prompt_(model.takes_third_prompt()),
      takes_mask_fill_(model.takes_mask_fill()),
      later_stages_(model.later_stages_size()),
      takes_perturbed_guidance_(model.takes_perturbed_guidance()),
      takes_perturbed_interval_(model.has_perturbed_interval()),
      takes_prior_guidance_(model.takes_prior_guidance()),
      takes_variation_(model.takes_variation()),
      takes_guidance_interval_(model.takes_guidance_interval()),
      takes_projected_guidance_(model.takes_projected_guidance()),
      scorer_(model.scorer().kind()),
      scorer_classes_(model.scorer().class_count()),
      samplers_(SamplerNames(model)),
      loras_(model.loras().begin(), model.loras().end()),
      vaes_(VaesOf(model)),
      controls_(NetworksFor(v1::INPUT_ROLE_CONTROL, model)),
      picture_adapters_(NamesOf(NetworksFor(v1::INPUT_ROLE_PROMPT, model))),
      key_(absl::StrCat(Joined({revision_}), size_multiple_, ",", max_width_, ",", max_height_, ",",
                        max_steps_, ",", max_clip_skip_, ",", references_, ",", takes_source_, enlarges_,
                        needs_mask_, needs_depth_, needs_source_, takes_source_fit_, takes_hires_,
                        takes_tiling_, takes_mask_fill_, takes_perturbed_guidance_, takes_perturbed_interval_,
                        takes_third_prompt_, takes_prior_guidance_, takes_variation_,
                        takes_guidance_interval_, takes_projected_guidance_, static_cast<int>(scorer_), ",",
                        scorer_classes_, ";", later_stages_, ";", Joined(samplers_), Joined(loras_),
                        Joined(vaes_), Joined(controls_), Joined(picture_adapters_))) {}

bool Offer::Allows(const v1::ImageSpec& spec) const {
  return AllowsSize(spec.width(), spec.height()) && spec.steps() <= max_steps_ &&
         (takes_tiling_ || !spec.tiling()) && (takes_third_prompt_ || !HasThirdPrompt(spec)) &&
         spec.later_stages_size() <= later_stages_ &&
         (!spec.has_hires() || (takes_hires_ && AllowsSize(spec.hires().width(), spec.hires().height()))) &&
         spec.clip_skip() <= max_clip_skip_ && samplers_.count(spec.sampler()) != 0 &&
         std::all_of(spec.loras().begin(), spec.loras().end(),
                     [this](const v1::LoraUse& lora) { return loras_.count(lora.name()) != 0; }) &&
         std::all_of(spec.controls().begin(), spec.controls().end(),
                     [this](const v1::ControlPicture& control) { return AllowsControl(control); }) &&
         std::all_of(spec.picture_prompts().begin(), spec.picture_prompts().end(),
                     [this](const v1::PicturePrompt& prompt) {
                       return picture_adapters_.count(prompt.adapter()) != 0;
                     }) &&
         (spec.vae().empty() || vaes_.count(VaeKey(spec.vae(), spec.vae_hash())) != 0) &&
         AllowsPictures(spec) && AllowsGuidance(spec) && (takes_variation_ || !spec.has_variation());
}

bool Offer::AllowsSize(uint32_t width, uint32_t height) const {
  return width <= max_width_ && height <= max_height_ && width % size_multiple_ == 0 &&
         height % size_multiple_ == 0;
}

bool Offer::AllowsControl(const v1::ControlPicture& control) const {
  const auto network = controls_.find(control.network());
  if (network == controls_.end()) return false;
  const uint32_t kinds = network->second;
  return kinds == 0 ? !control.has_kind() : control.has_kind() && control.kind() < kinds;
}

bool Offer::AllowsGuidance(const v1::ImageSpec& spec) const {
  return (takes_perturbed_guidance_ || !spec.has_perturbed_guidance()) &&
         (takes_perturbed_interval_ || !spec.perturbed_guidance().has_interval()) &&
         (takes_prior_guidance_ || !spec.has_prior_guidance()) &&
         (takes_guidance_interval_ || !spec.has_guidance_interval()) &&
         (takes_projected_guidance_ || !spec.has_projected_guidance()) &&
         (scorer_ != v1::SCORER_KIND_UNSPECIFIED || !spec.has_scorer_guidance());
}

bool Offer::AllowsPictures(const v1::ImageSpec& spec) const {
  const bool source = !spec.source_image().empty();
  const bool mask = !spec.mask_image().empty();
  const auto references = static_cast<uint32_t>(spec.reference_images_size());
  if (source && !takes_source_ && !enlarges_) return false;
  if (references > 0 && references + (source ? 1 : 0) > references_) return false;
  if (!takes_source_fit_ && SaysHowItIsPainted(spec)) return false;
  if (!takes_mask_fill_ && spec.mask_fill() != v1::MASK_FILL_UNSPECIFIED) return false;
  return (source || references > 0 || (!enlarges_ && !needs_source_)) && (mask || !needs_mask_) &&
         spec.depth_image().empty() != needs_depth_;
}

}  // namespace mind::server
