#include "worker/training/decoder.h"

#include <filesystem>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/training/autoencoder.h"
#include "worker/training/crop.h"
#include "worker/training/files.h"
#include "worker/training/model_files.h"
#include "worker/training/reconstruction.h"

namespace mind::training {
namespace {

using diffusion::AutoencoderConfig;
using diffusion::AutoencoderKl;
using diffusion::Config;

constexpr char kDecoderVae[] = "vae", kWeights[] = "/diffusion_pytorch_model.safetensors";

bool IsLearnt(const std::string& name) {
  return name.starts_with("decoder.");
}

// The decoder's parameters are learnt, the others are as they were.
class LearntDecoder : public diffusion::ParameterSource {
 public:
  LearntDecoder(Parameters& learnt, diffusion::FileParameters& kept) : learnt_(learnt), kept_(kept) {}

  bool Has(const std::string& name) const override { return Of(name).Has(name); }
  at::Tensor Take(const std::string& name, at::IntArrayRef shape) override {
    return Of(name).Take(name, shape);
  }
  at::Tensor TakeLayerWeight(const std::string& layer, at::IntArrayRef shape) override {
    return Of(layer).TakeLayerWeight(layer, shape);
  }

 private:
  diffusion::ParameterSource& Of(const std::string& name) const {
    if (IsLearnt(name)) return learnt_;
    return kept_;
  }

  Parameters& learnt_;
  diffusion::FileParameters& kept_;
};

AutoencoderKl Begun(const std::string& folder, Parameters& parameters) {
  const diffusion::NamedTensors begun = diffusion::ReadComponent(folder);
  diffusion::FileParameters kept(begun, {.device = parameters.device()});
  LearntDecoder source(parameters, kept);
  AutoencoderKl autoencoder(diffusion::Scope(source),
                            AutoencoderConfig::From(Config::FromFile(folder + "/config.json")));
  parameters.Restore(begun.tensors, folder);
  return autoencoder;
}

}  // namespace

Decoder::Decoder(const RunConfig& config, CaptionedSet set, Parameters& parameters)
    : set_(std::move(set)),
      folder_(FolderOf(config.network, kDecoderVae)),
      crop_(config.crop),
      device_(parameters.device()),
      reconstruction_loss_(config.reconstruction, device_),
      autoencoder_(Begun(folder_, parameters)) {
  ExpectWholeLatents(set_, autoencoder_.config());
  ExpectCrop(crop_, set_.pictures.size(2) / autoencoder_.config().reduction(),
             set_.pictures.size(3) / autoencoder_.config().reduction());
}

at::Tensor Decoder::Loss(const std::vector<int64_t>& examples, StepRandom& random) const {
  const int64_t reduction = autoencoder_.config().reduction();
  at::Tensor x = set_.OnWhite(examples);
  if (crop_ > 0) {
    x = Cropped(x, DrawCorners(x.size(0), x.size(2) / reduction, x.size(3) / reduction, crop_, random), crop_,
                reduction);
  }
  x = x.to(device_);
  at::Tensor z;
  {
    const at::NoGradGuard no_grad;
    const auto halves = autoencoder_.EncodeMoments(x).chunk(2, 1);
    z = SampleLatents(halves[0], halves[1], random);
  }
  return reconstruction_loss_(x, autoencoder_.Decode(z));
}

void Decoder::WriteModel(const std::string& directory, const Tensors& parameters) const {
  Tensors tensors = diffusion::ReadComponent(folder_).tensors;
  for (const auto& [name, tensor] : parameters) tensors[name] = tensor.to(at::kHalf);
  std::filesystem::create_directories(directory);
  WriteFile(directory + kWeights, diffusion::SerializeSafeTensors(tensors));
  WriteJson(directory, "config.json", diffusion::ReadJsonFile(folder_ + "/config.json"));
}

Tensors Decoder::ReadModel(const std::string& directory) const {
  return diffusion::ReadComponent(directory).tensors;
}

std::string Decoder::DrawSheet(const std::string& directory, int) const {
  return DrawReconstructions(ReadAutoencoder(directory, device_), set_, device_);
}

}  // namespace mind::training
