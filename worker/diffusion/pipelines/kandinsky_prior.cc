#include "worker/diffusion/pipelines/kandinsky_prior.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/clip_vision.h"
#include "worker/diffusion/pipelines/model_part.h"

namespace mind::diffusion {
namespace {

constexpr char kPriorPart[] = "prior", kSchedulerPart[] = "scheduler", kVisionPart[] = "image_encoder";

std::shared_ptr<const PromptEncoder> LoadText(const ModelDirectory& directory, const std::string& prefix,
                                              FileParameters::Options options) {
  PromptEncoder::Part part;
  part.tokenizer = prefix + part.tokenizer;
  part.encoder = prefix + part.encoder;
  part.vectors = "clip_g";
  LayerWeights layers;  // which no LoRA is made for
  return std::make_shared<const PromptEncoder>(directory, part, options, layers);
}

// Whether the stage after the prior asks for what the negative prompt looks like.
bool AsksForNegative(const PictureRequest& request) {
  return request.negative_prompt && request.guidance > 1;
}

}  // namespace

at::Tensor SeveralPriors::operator()(const DenoiserInput& input) const {
  if (input.sample.dim() == 2) return prior_(input);
  DenoiserInput flat{.sample = input.sample.flatten(0, 1),
                     .timestep = input.timestep.repeat_interleave(input.sample.size(1)),
                     .told = {}};
  for (const Condition kind : {Condition::kText, Condition::kTextMask, Condition::kPooled})
    flat.told.Set(kind, input.told[kind].flatten(0, 1));
  return prior_(flat).view_as(input.sample);
}

KandinskyPrior::KandinskyPrior(const ModelDirectory& directory, const std::string& prefix,
                               FileParameters::Options options, ModelInfo info,
                               std::unique_ptr<const Pipeline> next)
    : UnclipPrior(directory, options, std::move(info), LoadText(directory, prefix, options), std::move(next),
                  /*one_switch=*/false, {.prior = prefix + kPriorPart, .scheduler = prefix + kSchedulerPart}),
      several_(prior()) {}

std::vector<int64_t> KandinskyPrior::ShapeFor(const PictureRequest& request, int64_t, int64_t) const {
  if (AsksForNegative(request)) return {2, width()};
  return {width()};
}

Conditioning KandinskyPrior::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  Conditioning conditioning;
  const auto read = [&](const std::string& prompt) {
    return UnclipText(text(), prompt, request, conditioning.tokens_cut);
  };
  const bool both = shape.size() == 2, guided = request.prior_guidance > 1;
  Told prompt = read(request.prompt), negative;
  if (both || guided) negative = read(request.negative_prompt.value_or(""));
  if (both) {
    prompt = Told::Stack({&prompt, &negative});
    negative = Told::Stack({&negative, &negative});
  }
  conditioning.guidance.scale = request.prior_guidance;
  if (guided) conditioning.rows.push_back(negative);
  conditioning.rows.push_back(prompt);
  return conditioning;
}

std::string PriorPrefix(const ModelDirectory& directory) {
  for (const char* const prefix : {"prior_", "prior/"}) {
    if (directory.HasComponent(std::string(prefix) + kPriorPart)) return prefix;
  }
  throw ModelError(directory.path() +
                   ": the decoder has no prior: neither prior/prior/config.json (put the prior's directory, "
                   "or a link to it, into the folder prior/) nor prior_prior/config.json");
}

at::Tensor PictureOfNothing(const ModelDirectory& directory, const std::string& prefix,
                            FileParameters::Options options) {
  const std::string part = prefix + kVisionPart;
  const ClipVisionConfig config = ClipVisionConfig::From(directory.ComponentConfig(part));
  const auto encoder =
      LoadPart<ClipVision>(directory, part, options,
                           [part, config](const ModelDirectory& from, const FileParameters::Options& as) {
                             FileParameters weights = from.ComponentWeights(part, as);
                             auto made = std::make_unique<const ClipVision>(Scope(weights), config);
                             weights.ExpectAllTaken();
                             return made;
                           });
  const at::Tensor nothing = at::zeros({1, 3, config.image_size, config.image_size},
                                       at::TensorOptions().dtype(at::kFloat).device(options.device));
  return (*encoder->Use())(nothing).embedding.squeeze(0).to(at::kFloat);
}

}  // namespace mind::diffusion
