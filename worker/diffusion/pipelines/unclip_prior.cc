#include "worker/diffusion/pipelines/unclip_prior.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

SamplerConfig PriorSampler(const ModelDirectory& directory, const std::string& scheduler) {
  return SamplerConfig::From(directory.ComponentConfig(scheduler, "scheduler_config.json"));
}

}  // namespace

Told UnclipText(const PromptEncoder& encoder, const std::string& prompt, const PictureRequest& request,
                int64_t& cut) {
  PromptEncoder::Wish wish{.reading = request.reading, .clip_skip = 0, .adapters = {}};
  wish.reading.most_chunks = 1;  // the networks know so many places and no more
  const EncodedPrompt encoded = encoder.Encode(prompt, wish);
  cut += encoded.tokens_cut;
  at::Tensor mask = at::zeros({encoded.states.size(0)}, encoded.states.options());
  mask.narrow(0, encoded.length, mask.size(0) - encoded.length).fill_(kUnseen);
  return {
      {Condition::kText, encoded.states}, {Condition::kTextMask, mask}, {Condition::kPooled, encoded.pooled}};
}

LaterStageInfo UnclipPrior::StageOf(const ModelDirectory& directory, const std::string& scheduler) {
  return {.name = "prior",
          .default_steps = kSteps,
          .max_steps = PriorSampler(directory, scheduler).train_steps,
          .fixed_guidance = true,
          .default_guidance = PictureRequest().prior_guidance};
}

UnclipPrior::UnclipPrior(const ModelDirectory& directory, FileParameters::Options options, ModelInfo info,
                         std::shared_ptr<const PromptEncoder> text, std::unique_ptr<const Pipeline> next,
                         bool one_switch, const Folders& folders)
    : info_(std::move(info)),
      sampler_config_(PriorSampler(directory, folders.scheduler)),
      device_(options.device),
      text_(std::move(text)),
      next_(std::move(next)),
      one_switch_(one_switch) {
  const Config config = directory.ComponentConfig(folders.prior);
  const PriorTransformerConfig prior = PriorTransformerConfig::From(config);
  if (prior.embedding != text_->width())
    config.Unsupported("embedding_dim", "the text encoder's hidden_size, " + std::to_string(text_->width()));
  const auto tokens = static_cast<int64_t>(text_->tokenizer().model_length());
  if (prior.text_tokens != tokens)
    config.Unsupported("num_embeddings", "as many as the tokenizer makes, " + std::to_string(tokens));
  FileParameters weights = directory.ComponentWeights(folders.prior, options);
  prior_ = std::make_unique<PriorTransformer>(Scope(weights), prior);
  weights.ExpectAllTaken();
}

Conditioning UnclipPrior::Condition(const PictureRequest& request, at::IntArrayRef) const {
  Conditioning conditioning;
  const double scale =
      one_switch_ ? std::max(request.prior_guidance, request.guidance) : request.prior_guidance;
  conditioning.guidance.scale = request.prior_guidance;
  if (scale > 1) conditioning.rows.push_back(UnclipText(*text_, "", request, conditioning.tokens_cut));
  conditioning.rows.push_back(UnclipText(*text_, request.prompt, request, conditioning.tokens_cut));
  return conditioning;
}

Start UnclipPrior::Begin(const Source& source, const PictureRequest&, at::IntArrayRef shape,
                         NoiseSource& noise) const {
  if (source.defined() || source.mask.defined() || source.depth.defined())
    throw RequestError("this model begins with a prompt: it takes no source picture");
  Start start;
  start.noise = noise.Draw(shape).to(device_);
  return start;
}

at::Tensor UnclipPrior::Decode(const at::Tensor&) const {
  throw Error("a prior makes no picture");
}

at::Tensor UnclipPrior::Encode(const at::Tensor&, NoiseSource&) const {
  throw RequestError("this model begins with a prompt: it takes no source picture");
}

std::optional<StageSampling> UnclipPrior::own_sampling() const {
  return StageSampling{DefaultSamplerName(sampler_config_), kSteps};
}

}  // namespace mind::diffusion
