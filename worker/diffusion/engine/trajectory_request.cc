#include "worker/diffusion/engine/trajectory_request.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "worker/diffusion/hash.h"

namespace mind::diffusion {

namespace {

nlohmann::json FieldsOf(const SamplerParameters& parameters) {
  nlohmann::json fields = nlohmann::json::object();
  for (const auto& [name, value] : parameters) {
    std::visit([&, &name = name](const auto& held) { fields[name] = held; }, value);
  }
  return fields;
}

nlohmann::json FieldsOf(const FrameSizes& sizes) {
  const auto& [original, target, crop] = sizes;
  const auto pair = [](const std::optional<FrameSizes::Pair>& size) {
    return size ? nlohmann::json(*size) : nlohmann::json();
  };
  return {pair(original), pair(target), crop};
}

nlohmann::json FieldsOf(const LaterStage& stage) {
  const auto& [steps, guidance, noise_level] = stage;
  return {steps ? nlohmann::json(*steps) : nlohmann::json(),
          guidance ? nlohmann::json(*guidance) : nlohmann::json(),
          noise_level ? nlohmann::json(*noise_level) : nlohmann::json()};
}

// Here and below every field is named, so that a new one does not compile before somebody has decided whether
// it makes another picture.
nlohmann::json FieldsOf(const PictureRequest& picture) {
  const auto& [prompt, negative_prompt, prompt_2, negative_prompt_2, prompt_3, negative_prompt_3, reading,
               guidance, guidance_rescale, guided_steps, projection, clip_skip, label, picture_guidance,
               prior_guidance, perturbed, scorer, noise_level, loras, sizes, negative_sizes, aesthetic_score,
               negative_aesthetic_score, later_stages] = picture;
  const auto& [emphasis, most_chunks, comma_backtrack, padded] = reading;
  const auto& [scale, fall, layers, perturbed_steps] = perturbed;
  nlohmann::json used = nlohmann::json::array();
  for (const LoraUse& lora : loras) {
    const auto& [name, scale] = lora;
    used.push_back({name, scale});
  }
  nlohmann::json fields = {
      {"prompt", prompt},
      {"negative_prompt", negative_prompt ? nlohmann::json(*negative_prompt) : nlohmann::json()},
      {"prompt_2", prompt_2},
      {"negative_prompt_2", negative_prompt_2},
      {"reading", {emphasis, most_chunks, comma_backtrack, padded}},
      {"guidance", guidance},
      {"guidance_rescale", guidance_rescale},
      {"clip_skip", clip_skip},
      {"label", label.value_or(-1)},
      {"picture_guidance", picture_guidance},
      {"noise_level", noise_level},
      {"loras", used},
      {"sizes", FieldsOf(sizes)},
      {"negative_sizes", negative_sizes ? FieldsOf(*negative_sizes) : nlohmann::json()},
      {"aesthetic_scores", {aesthetic_score, negative_aesthetic_score}}};
  // What later versions know besides: only where it is used, so that checkpoints of earlier ones still fit.
  if (prior_guidance != PictureRequest().prior_guidance) fields["prior_guidance"] = prior_guidance;
  if (!prompt_3.empty()) fields["prompt_3"] = prompt_3;
  if (!negative_prompt_3.empty()) fields["negative_prompt_3"] = negative_prompt_3;
  const auto& [begin, end] = guided_steps;
  if (!guided_steps.all()) fields["guided_steps"] = {begin, end};
  const auto& [momentum, longest, along] = projection;
  if (!projection.none()) fields["projection"] = {momentum, longest, along};
  for (const LaterStage& stage : later_stages) fields["later_stages"].push_back(FieldsOf(stage));
  if (scale != 0) fields["perturbed"] = {scale, fall, layers};
  const auto& [after, before] = perturbed_steps;
  if (scale != 0 && !perturbed_steps.all()) fields["perturbed_steps"] = {after, before};
  const auto& [scorer_scale, target] = scorer;
  if (scorer_scale != 0) fields["scorer"] = {scorer_scale, target};
  return fields;
}

nlohmann::json FieldsOf(const std::vector<ControlInput>& controls) {
  nlohmann::json all = nlohmann::json::array();
  for (const ControlInput& control : controls) {
    const auto& [network, picture, weight, begin, end, guess_mode, kind] = control;
    nlohmann::json fields = {network, HashOf(picture), weight, begin, end, guess_mode};
    if (kind) fields.push_back(*kind);  // likewise
    all.push_back(std::move(fields));
  }
  return all;
}

nlohmann::json FieldsOf(const std::vector<PicturePromptInput>& prompts) {
  nlohmann::json all = nlohmann::json::array();
  for (const PicturePromptInput& prompt : prompts) {
    const auto& [adapter, picture, weight, mask, layers] = prompt;
    all.push_back({adapter, HashOf(picture), weight, HashOf(mask), layers});
  }
  return all;
}

nlohmann::json FieldsOf(const HiresPass& pass) {
  const auto& [width, height, steps, strength, latents] = pass;
  return {width, height, steps, strength, latents};
}

}  // namespace

std::string Fingerprint(const TrajectoryRequest& request) {
  // The last seven change when a picture is made and shown, not what it becomes.
  const auto& [model, picture, width, height, sampler, steps, sampler_parameters, seed, variation, source,
               references, mask, fit, mask_blur, only_masked, mask_fill, vae, depth, strength, hires, tiling,
               controls, picture_prompts, job, tenant, tenant_weight, priority, preview_every, revision,
               checkpoint] = request;
  nlohmann::json fields = {{"model", model},
                           {"picture", FieldsOf(picture)},
                           {"width", width},
                           {"height", height},
                           {"sampler", sampler},
                           {"steps", steps},
                           {"sampler_parameters", FieldsOf(sampler_parameters)},
                           {"seed", seed},
                           {"source", HashOf(source)},
                           {"mask", HashOf(mask)},
                           {"depth", HashOf(depth)},
                           {"strength", strength},
                           {"controls", FieldsOf(controls)}};
  if (variation.strength > 0) fields["variation"] = {variation.seed, variation.strength};
  for (const std::string& reference : references) fields["references"].push_back(HashOf(reference));
  if (fit != Fit::kStretch) fields["fit"] = fit;
  if (mask_blur) fields["mask_blur"] = *mask_blur;
  if (only_masked) fields["only_masked"] = *only_masked;
  if (mask_fill != MaskFill::kOriginal) fields["mask_fill"] = mask_fill;
  const auto& [vae_name, vae_hash] = vae;
  if (!vae_name.empty()) fields["vae"] = {vae_name, vae_hash};
  if (hires) fields["hires"] = FieldsOf(*hires);
  if (tiling) fields["tiling"] = true;
  if (!picture_prompts.empty()) fields["picture_prompts"] = FieldsOf(picture_prompts);
  return fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace mind::diffusion
