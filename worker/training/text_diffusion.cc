#include "worker/training/text_diffusion.h"

#include <filesystem>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/training/autoencoder.h"
#include "worker/training/files.h"

namespace mind::training {
namespace {

namespace fs = std::filesystem;
using diffusion::Config;

constexpr int64_t kChunk = 32;  // pictures encoded at a time
constexpr char kUNet[] = "unet", kText[] = "text_encoder", kScheduler[] = "scheduler", kVae[] = "vae",
               kTokenizer[] = "tokenizer";

Config Part(const nlohmann::json& network, const char* part) {
  const Config whole(network, "network");
  if (whole.Unset(part) || !whole.at(part).is_object()) whole.Unsupported(part, "an object");
  return Config(whole.at(part), std::string("network: ") + part);
}

std::string Folder(const nlohmann::json& network, const char* part) {
  const Config whole(network, "network");
  const std::string folder = whole.String(part, "");
  if (!fs::is_directory(folder)) whole.Unsupported(part, "a folder that is there");
  return folder;
}

at::Tensor Encoded(const CaptionedSet& set, const diffusion::AutoencoderKl& autoencoder, at::Device device) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> latents;
  for (int64_t begin = 0; begin < set.count(); begin += kChunk) {
    std::vector<int64_t> chunk;
    for (int64_t i = begin; i < std::min(begin + kChunk, set.count()); ++i) chunk.push_back(i);
    latents.push_back(autoencoder.EncodeMoments(set.OnWhite(chunk).to(device)).chunk(2, 1)[0]);
  }
  return at::cat(latents) * autoencoder.config().scaling_factor;
}

void CopyFolder(const std::string& from, const std::string& to) {
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    if (entry.is_regular_file())
      fs::copy_file(entry.path(), fs::path(to) / entry.path().filename(),
                    fs::copy_options::overwrite_existing);
  }
}

void WriteJson(const std::string& folder, const std::string& name, const nlohmann::json& json) {
  fs::create_directories(folder);
  WriteFile(folder + "/" + name, json.dump(1) + "\n");
}

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
      text_dropout_(config.text_dropout),
      min_snr_(config.min_snr),
      device_(parameters.device()),
      schedule_(diffusion::SamplerConfig::From(Part(network_, kScheduler))),
      tokenizer_(diffusion::MakeTokenizer(Folder(network_, kTokenizer))),
      text_encoder_(diffusion::MakeTextEncoder(diffusion::Scope(parameters, kText), Part(network_, kText))),
      unet_(diffusion::Scope(parameters, kUNet), diffusion::UNetConfig::From(Part(network_, kUNet))) {
  diffusion::ExpectSameVocabulary(*tokenizer_, *text_encoder_, "network");
  if (schedule_.prediction == diffusion::Prediction::kSample)
    Part(network_, kScheduler).Unsupported("prediction_type", "epsilon, v_prediction");
  const diffusion::AutoencoderKl autoencoder = ReadAutoencoder(Folder(network_, kVae), device_);
  latents_ = Encoded(set, autoencoder, device_);
  if (latents_.size(1) != unet_.config().in_channels) {
    throw diffusion::ModelError("network: the autoencoder's latents have " +
                                std::to_string(latents_.size(1)) + " channels, the UNet takes " +
                                std::to_string(unet_.config().in_channels));
  }
  const auto tokens = [this](const std::string& caption) {
    return at::tensor(tokenizer_->EncodePadded(caption, tokenizer_->model_length()), at::kLong);
  };
  for (const auto& captions : set.captions) {
    captions_.emplace_back();
    for (const std::string& caption : captions) captions_.back().push_back(tokens(caption));
  }
  no_caption_ = tokens("");
  const at::Tensor alphas = at::tensor(diffusion::AlphasCumprod(schedule_), at::kDouble);
  signal_ = alphas.sqrt().to(device_, at::kFloat);
  noise_ = (1 - alphas).sqrt().to(device_, at::kFloat);
}

at::Tensor TextDiffusion::TokensOf(const std::vector<int64_t>& examples, StepRandom& random) const {
  const auto rows = static_cast<int64_t>(examples.size());
  const at::Tensor drops = random.Uniform({rows}), choices = random.Uniform({rows});
  std::vector<at::Tensor> tokens;
  for (int64_t i = 0; i < rows; ++i) {
    const auto& captions = captions_[static_cast<size_t>(examples[static_cast<size_t>(i)])];
    const auto choice = static_cast<size_t>(choices[i].item<double>() * static_cast<double>(captions.size()));
    tokens.push_back(drops[i].item<double>() < text_dropout_
                         ? no_caption_
                         : captions[std::min(choice, captions.size() - 1)]);
  }
  return at::stack(tokens).to(device_);
}

at::Tensor TextDiffusion::Loss(const std::vector<int64_t>& examples, StepRandom& random) const {
  const at::Tensor x0 = latents_.index({at::tensor(examples, at::kLong).to(device_)});
  const int64_t rows = x0.size(0), steps = signal_.size(0);
  const at::Tensor context = text_encoder_->Encode(TokensOf(examples, random));
  const at::Tensor spread = (at::arange(rows) + random.Uniform({rows})) / static_cast<double>(rows);
  const at::Tensor t = (spread * steps).to(at::kLong).clamp(0, steps - 1).to(device_);
  const at::Tensor signal = signal_.index({t}).view({-1, 1, 1, 1}),
                   noise = noise_.index({t}).view({-1, 1, 1, 1});
  const at::Tensor epsilon = random.Normal(x0.sizes()).to(device_);
  const at::Tensor predicted = unet_({.sample = signal * x0 + noise * epsilon,
                                      .timestep = t.to(at::kFloat),
                                      .context = context,
                                      .label = {}});
  const bool velocity = schedule_.prediction == diffusion::Prediction::kVelocity;
  const at::Tensor target = velocity ? signal * epsilon - noise * x0 : epsilon;
  const at::Tensor squares = (predicted - target).square().mean({1, 2, 3});
  if (min_snr_ == 0) return squares.mean();
  const at::Tensor snr = (signal / noise.clamp_min(1e-6)).square().flatten();
  return (squares * snr.clamp_max(min_snr_) / (velocity ? snr + 1 : snr.clamp_min(1e-6))).mean();
}

void TextDiffusion::WriteModel(const std::string& directory, const Tensors& parameters) const {
  const at::NoGradGuard no_grad;
  const auto write = [&](const std::string& part, const std::string& file, const char* kind_key,
                         const char* kind) {
    Tensors tensors;
    for (const auto& [name, tensor] : parameters) {
      if (name.rfind(part + ".", 0) == 0) tensors[name.substr(part.size() + 1)] = tensor.to(at::kHalf);
    }
    nlohmann::json config = network_.at(part);
    config[kind_key] = kind;
    WriteJson(directory + "/" + part, "config.json", config);
    WriteFile(directory + "/" + part + "/" + file, diffusion::SerializeSafeTensors(tensors));
  };
  write(kUNet, "diffusion_pytorch_model.safetensors", "_class_name", "UNet2DConditionModel");
  write(kText, "model.safetensors", "model_type", "clip_text_model");
  WriteJson(directory + "/" + kScheduler, "scheduler_config.json", network_.at(kScheduler));
  CopyFolder(network_.at(kVae), directory + "/" + kVae);
  CopyFolder(network_.at(kTokenizer), directory + "/" + kTokenizer);
  if (network_.contains("mind")) WriteJson(directory, "mind.json", network_.at("mind"));
  WriteJson(directory, "model_index.json", ModelIndex());
}

std::string TextDiffusion::DrawSheet(const std::string& directory, int threads) const {
  SampleSheet sheet = sheet_;
  sheet.model = directory;
  sheet.threads = threads;
  return DrawSamples(sheet);
}

}  // namespace mind::training
