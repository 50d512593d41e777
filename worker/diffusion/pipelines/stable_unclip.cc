#include "worker/diffusion/pipelines/stable_unclip.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/unclip_prior.h"

namespace mind::diffusion {
namespace {

constexpr char kStablePrior[] = "prior";
constexpr double kStableUnclipGuidance = 10;
constexpr int64_t kStableUnclipSteps = 20;

const PromptEncoder::Part kPriorText = {.tokenizer = "prior_tokenizer", .encoder = "prior_text_encoder"};

}  // namespace

ModelInfo StableUnclipPipeline::Describe(const ModelDirectory& directory) {
  ModelInfo info = DescribeUNet(directory, /*told_picture=*/true);
  DescribeText(directory, {}, info);
  if (info.needs_mask || info.needs_depth || info.edits)
    directory.ComponentConfig("unet").Unsupported("in_channels", "the autoencoder's latents'");
  const bool has_prior = directory.HasComponent(kStablePrior);
  info.takes_prior_guidance = has_prior;
  info.takes_source = info.varies = !has_prior;
  info.later_steps = has_prior ? UnclipPrior::kSteps : 0;
  if (has_prior) info.later_stages = {UnclipPrior::StageOf(directory)};
  info.max_noise_level =
      SamplerConfig::From(directory.ComponentConfig("image_noising_scheduler", "scheduler_config.json"))
          .train_steps -
      1;
  info.default_noise_level = 0;
  info.default_guidance = kStableUnclipGuidance;
  info.default_steps = kStableUnclipSteps;
  return info;
}

std::unique_ptr<const Pipeline> StableUnclipPipeline::Load(const ModelDirectory& directory,
                                                           FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<StableUnclipPipeline> pipeline(new StableUnclipPipeline);
  pipeline->LoadParts(directory, Describe(directory), {{}}, options);
  pipeline->embedding_noise_ = std::make_unique<EmbeddingNoise>(directory, options);
  const int64_t width = pipeline->embedding_noise_->width();
  if (pipeline->unet_config().image_width != 2 * width)
    directory.ComponentConfig("unet").Unsupported("projection_class_embeddings_input_dim",
                                                  "twice image_normalizer's embedding_dim");
  if (pipeline->info_.varies) {
    pipeline->pictures_ = std::make_unique<PictureEncoder>(directory, "feature_extractor", options);
    if (pipeline->pictures_->width() != width)
      directory.ComponentConfig("image_encoder").Unsupported("projection_dim", "image_normalizer's width");
    return pipeline;
  }
  LayerWeights layers;  // LoRAs are made for what reads the prompt beside the UNet
  auto text = std::make_shared<const PromptEncoder>(directory, kPriorText, options, layers);
  const ModelInfo info = pipeline->info_;
  auto prior = std::make_unique<const UnclipPrior>(directory, options, info, std::move(text),
                                                   std::move(pipeline), /*one_switch=*/false);
  if (prior->width() != width)
    directory.ComponentConfig(kStablePrior).Unsupported("embedding_dim", "image_normalizer's");
  return prior;
}

Conditioning StableUnclipPipeline::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  if (request.noise_level < 0 || request.noise_level > info_.max_noise_level) {
    throw RequestError("noise_level must be 0 to " + std::to_string(info_.max_noise_level) +
                       ", given: " + std::to_string(request.noise_level));
  }
  return TextToImagePipeline::Condition(request, shape);
}

at::Tensor StableUnclipPipeline::EmbeddingOf(const Source& source) const {
  if (source.result.defined()) return source.result;
  if (!pictures_ || !source.original.defined())
    throw RequestError("this model makes variations of a picture: it needs a source picture");
  return pictures_->Embed(pictures_->Pixels(source.original));
}

Start StableUnclipPipeline::Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
                                  NoiseSource& noise) const {
  if (source.mask.defined() || source.depth.defined())
    throw RequestError("this model takes neither a mask nor a depth map");
  Start start;
  start.image = (*embedding_noise_)(EmbeddingOf(source), request.noise_level, noise);
  start.noise = noise.Draw(shape).to(device_);
  return start;
}

void StableUnclipPipeline::Tell(const Source& source, const Start& start, const PictureRequest& request,
                                Conditioning& conditioning) const {
  TextToImagePipeline::Tell(source, start, request, conditioning);
  const size_t unguided = request.guidance != 1 ? 1 : 0;
  for (size_t i = 0; i < conditioning.rows.size(); ++i)
    conditioning.rows[i].Set(Condition::kImage, i < unguided ? at::zeros_like(start.image) : start.image);
}

}  // namespace mind::diffusion
