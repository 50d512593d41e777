#include "worker/diffusion/pipelines/class_to_image.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/names/dit_names.h"

namespace mind::diffusion {
namespace {

constexpr double kClassGuidance = 4;

// model_index.json's "id2label": names by number, as text.
std::vector<std::string> ClassNames(const Config& index, int64_t count) {
  std::vector<std::string> names;
  if (index.Unset("id2label")) return names;
  const nlohmann::json& labels = index.at("id2label");
  for (int64_t i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    if (!labels.contains(number)) break;
    if (!labels.at(number).is_string()) index.Unsupported("id2label", "names by number");
    names.push_back(labels.at(number).get<std::string>());
  }
  return names;
}

}  // namespace

ModelInfo ClassToImagePipeline::Describe(const ModelDirectory& directory) {
  const DiffusionTransformerConfig transformer =
      DiffusionTransformerConfig::From(directory.ComponentConfig("transformer"));
  const AutoencoderConfig vae = AutoencoderConfig::From(directory.ComponentConfig("vae"));
  if (transformer.in_channels != vae.latent_channels) {
    throw ModelError(directory.path() + ": the transformer takes " + std::to_string(transformer.in_channels) +
                     " channels but the autoencoder's latents have " + std::to_string(vae.latent_channels));
  }
  ModelInfo info = DescribeLatents(directory, transformer.sample_size);
  info.size_multiple = std::max(info.size_multiple, vae.reduction() * transformer.patch_size);
  info.class_count = transformer.class_count;
  info.class_names = ClassNames(directory.Index(), transformer.class_count);
  info.takes_guidance = true;
  info.default_guidance = kClassGuidance;
  return info;
}

std::unique_ptr<const Pipeline> ClassToImagePipeline::Load(const ModelDirectory& directory,
                                                           FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<ClassToImagePipeline> pipeline(new ClassToImagePipeline);
  pipeline->info_ = Describe(directory);
  pipeline->info_.revision = directory.Revision(options.precision);
  pipeline->device_ = options.device;
  pipeline->sampler_config_ = directory.ReadSamplerConfig();
  const Config config = directory.ComponentConfig("transformer");
  NamedTensors stored = ReadComponent(directory.ComponentPath("transformer"));
  FileParameters weights(
      config.String("_class_name", "") == "DiT" ? FromOriginalDit(stored) : std::move(stored), options);
  pipeline->transformer_ =
      std::make_unique<DiffusionTransformer>(Scope(weights), DiffusionTransformerConfig::From(config));
  weights.ExpectAllTaken();
  pipeline->LoadAutoencoder(directory, options);
  return pipeline;
}

Conditioning ClassToImagePipeline::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  if (!request.prompt.empty()) throw RequestError("this model takes a class_label, no prompt");
  const auto row = [this](int64_t label) {
    return Told{
        {Condition::kLabel, at::full({}, label, at::TensorOptions().dtype(at::kLong).device(device_))}};
  };
  Conditioning conditioning;
  conditioning.guidance = request.Guided();
  conditioning.guided_channels = transformer_->config().in_channels;
  if (request.guidance != 1) conditioning.rows.push_back(row(info_.class_count));  // "no class"
  conditioning.rows.push_back(row(ExpectLabel(info_, request.label)));
  PictureScorer::Ask(scorer_.get(), request, shape, conditioning);
  return conditioning;
}

}  // namespace mind::diffusion
