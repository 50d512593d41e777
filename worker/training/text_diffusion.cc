#include "worker/training/text_diffusion.h"

#include "worker/diffusion/error.h"
#include "worker/training/autoencoder.h"
#include "worker/training/model_files.h"

namespace mind::training {
namespace {

constexpr char kUNet[] = "unet", kText[] = "text_encoder", kScheduler[] = "scheduler", kVae[] = "vae",
               kTokenizer[] = "tokenizer";

nlohmann::json ModelIndex() {
  return {{"_class_name", "StableDiffusionPipeline"},
          {"_diffusers_version", "0.30.3"},
          {"feature_extractor", {nullptr, nullptr}},
          {"safety_checker", {nullptr, nullptr}},
          {"requires_safety_checker", false},
          {"scheduler", {"diffusers", "DDIMScheduler"}},
          {"text_encoder", {"transformers", "CLIPTextModel"}},
          {"tokenizer", {"transformers", "CLIPTokenizer"}},
          {"unet", {"diffusers", "UNet2DConditionModel"}},
          {"vae", {"diffusers", "AutoencoderKL"}}};
}

}  // namespace

TextDiffusion::TextDiffusion(const RunConfig& config, const CaptionedSet& set, Parameters& parameters)
    : network_(config.network),
      sheet_{
          .columns = 5, .steps = config.sample_steps, .sampler = config.sampler, .prompts = config.prompts},
      device_(parameters.device()),
      loss_(PartOf(network_, kScheduler), config.min_snr, device_),
      tokenizer_(diffusion::MakeTokenizer(FolderOf(network_, kTokenizer))),
      captions_(set.captions, *tokenizer_, config.text_dropout),
      text_encoder_(diffusion::MakeTextEncoder(diffusion::Scope(parameters, kText), PartOf(network_, kText))),
      unet_(diffusion::Scope(parameters, kUNet), diffusion::UNetConfig::From(PartOf(network_, kUNet))) {
  diffusion::ExpectSameVocabulary(*tokenizer_, *text_encoder_, "network");
  const diffusion::AutoencoderKl autoencoder = ReadAutoencoder(FolderOf(network_, kVae), device_);
  latents_ = autoencoder.config().Scaled(LatentsOf(autoencoder, set, set.count(), device_));
  if (latents_.size(1) != unet_.config().in_channels) {
    throw diffusion::ModelError("network: the autoencoder's latents have " +
                                std::to_string(latents_.size(1)) + " channels, the UNet takes " +
                                std::to_string(unet_.config().in_channels));
  }
}

at::Tensor TextDiffusion::Loss(const std::vector<int64_t>& examples, StepRandom& random) const {
  const at::Tensor x0 = latents_.index({at::tensor(examples, at::kLong).to(device_)});
  const at::Tensor context = text_encoder_->Encode(captions_.Draw(examples, random).to(device_));
  return loss_(x0, random, [&](const at::Tensor& noisy, const at::Tensor& t) {
    return unet_({.sample = noisy, .timestep = t, .told = {{diffusion::Condition::kText, context}}});
  });
}

void TextDiffusion::WriteModel(const std::string& directory, const Tensors& parameters) const {
  const at::NoGradGuard no_grad;
  nlohmann::json unet = network_.at(kUNet), text = network_.at(kText);
  unet["_class_name"] = "UNet2DConditionModel";
  text["model_type"] = "clip_text_model";
  WriteJson(directory + "/" + kUNet, "config.json", unet);
  WriteJson(directory + "/" + kText, "config.json", text);
  WriteWeights(directory, kUNet, "diffusion_pytorch_model.safetensors", parameters);
  WriteWeights(directory, kText, "model.safetensors", parameters);
  WriteJson(directory + "/" + kScheduler, "scheduler_config.json", network_.at(kScheduler));
  CopyFolder(network_.at(kVae), directory + "/" + kVae);
  CopyFolder(network_.at(kTokenizer), directory + "/" + kTokenizer);
  if (network_.contains("mind")) WriteJson(directory, "mind.json", network_.at("mind"));
  WriteJson(directory, "model_index.json", ModelIndex());
}

Tensors TextDiffusion::ReadModel(const std::string& directory) const {
  Tensors tensors = ReadWeights(directory, kUNet);
  tensors.merge(ReadWeights(directory, kText));
  return tensors;
}

std::string TextDiffusion::DrawSheet(const std::string& directory, int threads) const {
  return DrawSamples(sheet_, directory, device_, threads);
}

}  // namespace mind::training
